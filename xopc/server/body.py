"""The body of a request: from bytes that anybody may have sent to a value of the route's class."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Container
from typing import NoReturn, TypeVar, cast

from quart import Request

from xopc.contracts.convert import structure
from xopc.contracts.errors import Failure, XopcError

T = TypeVar("T")

MAX_BODY_BYTES = 1024 * 1024
BODY_SECONDS = 10
"""For a body to arrive whole."""

_LONGEST_NUMBER = 1000
"""Digits. Python takes quadratic time for more, and refuses them from 4300 on."""
_TOO_DEEP = "it is nested too deeply"
_DEEPEST = 100
"""Objects and lists in each other. Python reads some 900, and what it has read it cannot always write again."""
_WITHOUT_BODY = ("GET", "HEAD")


def check_head(request: Request) -> None:
    """Refuse a head that two readers could take for two requests.

    Raises:
        XopcError: INVALID_REQUEST: several `Content-Type`, two ways to find the end of the body, or a body where the
            method has no use for one.
    """
    if len(request.headers.getlist("Content-Type")) > 1:
        raise XopcError(Failure.INVALID_REQUEST, "The request has more than one Content-Type. Send one.")
    if has_two_ends(request.headers):
        raise XopcError(Failure.INVALID_REQUEST, "The request has Content-Length and Transfer-Encoding. Send one.")
    has_body = request.content_length or "Transfer-Encoding" in request.headers
    if request.method in _WITHOUT_BODY and has_body:
        raise XopcError(Failure.INVALID_REQUEST, f"{request.method} takes no body. Send what is asked in the query.")


def has_two_ends(headers: Container[str]) -> bool:
    """Whether there are two ways to find the end of the body; `headers` knows their names in any case."""
    return "Content-Length" in headers and "Transfer-Encoding" in headers


async def read_body(request: Request, kind: type[T]) -> T:
    """The JSON body as a `kind`. A missing body counts as `{}`.

    Size and time are limited by the application's configuration.

    Raises:
        XopcError: NOT_JSON, or INVALID_REQUEST with the path of each problem.
        HTTPException: 408 and 413: it came too slowly, or too much of it.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise XopcError(Failure.NOT_JSON, "The body has a Content-Encoding. Send it as it is.")
    if request.content_length != 0 and request.mimetype and not request.is_json:
        raise XopcError(Failure.NOT_JSON, f"The body is {request.mimetype}. Send application/json.")
    data = await request.get_data(cache=False, as_text=False, parse_form_data=False)
    return structure(_parse(data) if data else {}, kind)


def _parse(data: bytes) -> object:
    try:
        value = json.loads(data.decode(), parse_constant=_refuse_constant, parse_int=_whole, parse_float=_finite)
        if not _is_too_deep(value):
            return value
        problem = _TOO_DEEP
    except RecursionError:
        problem = _TOO_DEEP
    except UnicodeDecodeError as error:
        problem = f"it is not UTF-8 from byte {error.start} on"
    except ValueError as error:
        problem = str(error)
    raise XopcError(Failure.INVALID_REQUEST, f"The body is not JSON: {problem}.")


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError("it holds a number of more than 1000 digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("it holds a number that is too large")  # it would go out again as Infinity, which is no JSON
    return number


def _is_too_deep(value: object) -> bool:
    level: list[object] = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _members(outer)]
        if not level:
            return False
    return True


def _members(value: object) -> Collection[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
