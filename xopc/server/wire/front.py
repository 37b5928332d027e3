"""What stands before the application: health is answered here, and a response is never cut off by its own end.

Health does not pass the gate, so it is answered while a generation is replaced, and at a fraction of the cost.
"""

from __future__ import annotations

from collections.abc import Callable

import trio
from hypercorn.typing import (
    ASGIFramework as ASGIApp,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    HTTPScope,
    Scope,
)

from xopc.server.door.cors import for_page
from xopc.server.door.door import Door
from xopc.server.wire.headers import SECURITY_HEADERS

HEALTH_PATHS = ("/health", "/api/health")

_HEADERS = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    *((name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()),
]


class Front:
    """An ASGI application that answers `GET` and `HEAD` of health itself and hands the rest to `app`."""

    def __init__(self, app: ASGIApp, door: Door, health: Callable[[], tuple[int, bytes]]) -> None:
        """`health` gives the HTTP status and the JSON body of this moment; `door` says which web pages may read it."""
        self._app = app
        self._door = door
        self._health = health

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] in HEALTH_PATHS and scope["method"] in ("GET", "HEAD") and not _announces_body(scope):
            await self._answer_health(scope, send)
        else:
            messages = _Messages(receive, send)
            await self._app(scope, messages.receive, messages.send)

    async def _answer_health(self, scope: HTTPScope, send: ASGISendCallable) -> None:
        status, body = self._health()
        headers = [(b"content-length", b"%d" % len(body)), *_HEADERS]
        if any(name == b"origin" for name, _ in scope["headers"]):
            of_page = for_page(self._door.open_to(scope))
            headers += [(name.lower().encode(), value.encode("latin1")) for name, value in of_page.items()]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _announces_body(scope: HTTPScope) -> bool:
    """Whether a body follows, which the application has words for."""
    for name, value in scope["headers"]:
        if name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            return True
    return False


class _Messages:
    """The messages of one request, in an order that lets the last `send` finish.

    hypercorn reports `http.disconnect` from inside the last `send`, before it has restarted the keep-alive timer
    or closed the connection, and quart-trio cancels its handler at that word. So the word waits for the `send`.
    A client that really goes away is reported at once, unless the last `send` is on its way: that has a deadline.
    """

    def __init__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self._receive = receive
        self._send = send
        self._last_sent: trio.Event | None = None

    async def receive(self) -> ASGIReceiveEvent:
        message = await self._receive()
        if message["type"] == "http.disconnect" and self._last_sent is not None:
            await self._last_sent.wait()
        return message

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] != "http.response.body" or message.get("more_body", False):
            await self._send(message)
            return
        self._last_sent = trio.Event()
        try:
            await self._send(message)
        finally:
            self._last_sent.set()
