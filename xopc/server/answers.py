"""What goes out: a value as JSON, an error as its envelope."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import cast

import structlog
from quart_trio.wrappers import TrioResponse
from structlog.typing import FilteringBoundLogger
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from xopc.contracts.api.status import ErrorBody, ErrorDetail, RateLimitedBody, RateLimitedDetail
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.openapi.operations import JSON
from xopc.server.body import BODY_SECONDS, MAX_BODY_BYTES
from xopc.server.wire.pieces import encoded, encoded_in_pieces
from xopc.storage.base import StorageError

_log: FilteringBoundLogger = structlog.get_logger("xopc.server")

_BY_STATUS: Mapping[int | None, tuple[Failure, str]] = {
    400: (Failure.INVALID_REQUEST, "The request is malformed."),
    404: (Failure.NOT_FOUND, "Nothing is served at this path. /docs shows what is, and /openapi.json tells programs."),
    405: (Failure.METHOD_NOT_ALLOWED, "This path does not take this method."),
    408: (Failure.BODY_TIMEOUT, f"The body did not arrive within {BODY_SECONDS} seconds."),
    413: (Failure.BODY_TOO_LARGE, f"The body is larger than {MAX_BODY_BYTES // 1024} KiB."),
}
_UNFORESEEN = (Failure.INTERNAL_ERROR, "The gateway failed to answer this request. Its log tells more.")
_NOT_STORED = "The gateway cannot reach its storage, and nothing was changed. GET /api/status tells why. Try again."
_HEADERS: Mapping[Failure, Mapping[str, str]] = {
    Failure.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    # The rest of the body is not read, so nothing can follow it on this connection.
    Failure.BODY_TIMEOUT: {"Connection": "close"},
    Failure.BODY_TOO_LARGE: {"Connection": "close"},
}


async def answered(status: HTTPStatus, value: object) -> TrioResponse:
    """A value of the contracts as a JSON response."""
    return _response(status, await encoded_in_pieces(value))


def written(status: HTTPStatus, text: str, media_type: str) -> TrioResponse:
    """A text as it is."""
    return TrioResponse(text.encode(), status, content_type=media_type)


def failed(error: Exception, place: str) -> TrioResponse:
    """Any error as its envelope. One that nobody foresaw is logged, with `place`, and tells the client nothing."""
    cause = _unwrap(error)
    headers: dict[str, str] = {}
    match cause:
        case XopcError():
            failure, message = cause.failure, cause.message
        case StorageError():
            failure, message = Failure.UNAVAILABLE, _NOT_STORED
            _log.error("The storage failed a request.", request=place, error=str(cause))
        case HTTPException():
            failure, message = _BY_STATUS.get(cause.code, _UNFORESEEN)
            if isinstance(cause, MethodNotAllowed):
                headers["Allow"] = ", ".join(sorted(cause.valid_methods or ()))
        case _:
            failure, message = _UNFORESEEN
    if failure is Failure.INTERNAL_ERROR:
        _log.error("request failed", request=place, exc_info=error)
    body: object = ErrorBody(ErrorDetail(failure.code, message))
    if isinstance(cause, XopcError) and cause.retry_after is not None:
        headers["Retry-After"] = str(cause.retry_after)
        if failure is Failure.RATE_LIMITED:
            body = RateLimitedBody(RateLimitedDetail(failure.code, message, cause.retry_after))
    response = _response(failure.http, encoded(body))
    response.headers.extend({**headers, **_HEADERS.get(failure, {})})
    return response


def _response(status: HTTPStatus, data: bytes) -> TrioResponse:
    response = TrioResponse(data, status, content_type=JSON)
    response.headers["Cache-Control"] = "no-store"
    return response


def _unwrap(error: Exception) -> Exception:
    """What a nursery wrapped: the only exception in a group, or the first where the client is told of all."""
    if not isinstance(error, ExceptionGroup):
        return error
    group = cast("ExceptionGroup[Exception]", error)
    causes = [_unwrap(inner) for inner in group.exceptions]
    return causes[0] if len(causes) == 1 or all(isinstance(cause, XopcError) for cause in causes) else group
