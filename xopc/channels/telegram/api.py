"""Calls of the Bot API over HTTP, and their errors. https://core.telegram.org/bots/api#making-requests

The token is part of each URL. So no error of the HTTP client leaves this module, and none of its log lines is
written: both name the URL.
"""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import trio

from xopc.core.unreachable import why_unreachable

if TYPE_CHECKING:
    import httpx2

CONNECT_SECONDS = 10.0
CALL_SECONDS = 30.0
"""One call, from the beginning to the end."""
POLL_SECONDS = 30
"""So long Telegram waits for something to tell."""
POLL_CALL_SECONDS = 40.0
MAX_ERROR_CHARS = 300

JsonObject = dict[str, Any]


class ApiError(Exception):
    """The Bot API answered that it does not do it."""

    def __init__(
        self, code: int, description: str, *, retry_after: float | None = None, moved_to: str | None = None
    ) -> None:
        super().__init__(f"Telegram says {code}: {description}")
        self.code = code
        self.description = description
        self.retry_after = retry_after
        """Seconds; of 429."""
        self.moved_to = moved_to
        """The new id of a group that was upgraded."""


class UnreachableError(Exception):
    """No answer came."""

    def __init__(self, message: str, *, may_have_arrived: bool) -> None:
        super().__init__(message)
        self.may_have_arrived = may_have_arrived
        """The whole request went out, so that Telegram may have done it."""


class Api:
    """The Bot API for one bot. Any number of calls at a time. Ownership: whoever opens it closes it."""

    def __init__(self, root: str, token: str, client: httpx2.AsyncClient) -> None:
        self._base = f"{root.rstrip('/')}/bot{token}"
        self.token = token
        self._client = client

    async def call(self, method: str, parameters: Mapping[str, object], seconds: float = CALL_SECONDS) -> object:
        """The result of a method.

        Raises:
            ApiError: Telegram refuses.
            UnreachableError: the network fails, or `seconds` have passed.
        """
        import httpx2  # noqa: PLC0415  loaded by `open_api`, in a thread

        sent = False

        async def watch(event: str, _: Mapping[str, object]) -> None:
            nonlocal sent
            sent = sent or event.endswith("send_request_body.complete")

        error = f"no answer within {seconds:.0f} s"
        with trio.move_on_after(seconds):
            try:
                response = await self._client.post(
                    f"{self._base}/{method}",
                    json=parameters,
                    timeout=httpx2.Timeout(seconds, connect=CONNECT_SECONDS),
                    extensions={"trace": watch},
                )
                return _result(response.status_code, response.content)
            except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as cause:
                # What may have been sent was for a proxy.
                sent, error = False, self._without_token(why_unreachable(cause))
            except (httpx2.HTTPError, httpx2.InvalidURL) as cause:
                error = self._describe(cause)
        raise UnreachableError(f"Telegram cannot be reached: {error}", may_have_arrived=sent) from None

    async def aclose(self) -> None:
        """Close all connections; calls under way fail."""
        await self._client.aclose()

    def _describe(self, error: Exception) -> str:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return self._without_token(text)

    def _without_token(self, text: str) -> str:
        return text.replace(self.token, "<token>")[:MAX_ERROR_CHARS]


async def open_api(root: str, token: str) -> Api:
    """The Bot API for a bot; no connection is made yet."""
    # Both take their time: 140 ms for the import, 20 ms for the certificates.
    client = await trio.to_thread.run_sync(_make_client)
    return Api(root, token, client)


def _make_client() -> httpx2.AsyncClient:
    client = cast("httpx2.AsyncClient", importlib.import_module("httpx2").AsyncClient(follow_redirects=False))
    # It names the URL of each request at level info.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    return client


def _result(status: int, body: bytes) -> object:
    try:
        answer = cast("object", json.loads(body))
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or not isinstance(cast("JsonObject", answer).get("ok"), bool):
        if status >= 400:
            raise ApiError(status, "an answer that is not of the Bot API")
        raise UnreachableError("The answer is not of the Bot API: look at apiRoot.", may_have_arrived=True)
    answer = cast("JsonObject", answer)
    if answer["ok"]:
        return answer.get("result")
    raise _error(status, answer)


def _error(status: int, answer: JsonObject) -> ApiError:
    parameters = answer.get("parameters")
    known = cast("JsonObject", parameters) if isinstance(parameters, dict) else {}
    code, retry_after, moved_to = answer.get("error_code"), known.get("retry_after"), known.get("migrate_to_chat_id")
    return ApiError(
        code if isinstance(code, int) else status,
        str(answer.get("description", ""))[:MAX_ERROR_CHARS],
        retry_after=float(retry_after) if isinstance(retry_after, int | float) else None,
        moved_to=str(moved_to) if isinstance(moved_to, int) else None,
    )
