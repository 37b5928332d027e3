"""One request between the connection and the application: its messages, its task, and what an error becomes."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias, cast

import structlog
import trio
from hypercorn.config import Config
from hypercorn.typing import (
    AppWrapper,
    ASGIFramework as ASGIApp,
    ASGIReceiveEvent,
    ASGISendEvent,
    HTTPScope,
    Scope,
)
from structlog.typing import FilteringBoundLogger

from xopc.server.wire.http1 import refusal, refusal_headers

MAX_WAITING_MESSAGES = 10
"""So many pieces of a body wait for the application; then the client waits. A piece is what one read gave."""

Put: TypeAlias = Callable[[ASGIReceiveEvent], Awaitable[None]]
StreamSend: TypeAlias = Callable[[ASGISendEvent | None], Awaitable[None]]
"""`app_send` of hypercorn's streams; None means that the application is done."""
SendPart: TypeAlias = Callable[[bytes], Awaitable[None]]
"""Sends a part of a response's body at once, in place of an `http.response.body`, and much cheaper. None is empty."""

PARTS = "xopc.response.parts"
"""The extension of ASGI that offers a `SendPart` as its `send`, where the protocol has one."""

_FAREWELLS: Mapping[str, ASGIReceiveEvent] = {
    "http": {"type": "http.disconnect"},
    "websocket": {"type": "websocket.disconnect", "code": 1006},
}
_log: FilteringBoundLogger = structlog.get_logger("xopc.server")


class Exchanges:
    """Starts the application once for each request of a connection. hypercorn calls this a task group."""

    def __init__(
        self, app: ASGIApp, requests: trio.Nursery, background: trio.Nursery, send_part: SendPart | None = None
    ) -> None:
        """`background` is for what must not keep the connection open: hypercorn's pings."""
        self._app = app
        self._requests = requests
        self._background = background
        self._parts: dict[str, object] | None = None if send_part is None else {"send": send_part}
        self._live: set[Exchange] = set()

    async def spawn_app(self, _app: AppWrapper, _config: Config, scope: Scope, send: StreamSend) -> Put:
        # A body to a client of HTTP/1.0 has no chunks.
        if self._parts is not None and scope["type"] == "http" and scope["http_version"] == "1.1":
            scope["extensions"][PARTS] = self._parts
        exchange = Exchange(scope, send)
        self._live.add(exchange)
        self._requests.start_soon(self._run, exchange, name="request")
        return exchange.put

    async def _run(self, exchange: Exchange) -> None:
        try:
            await exchange.run(self._app)
        finally:
            self._live.remove(exchange)

    def disconnect(self) -> None:
        """Tell whoever is still at it that the client is gone.

        hypercorn does so, too, but not after it refused a WebSocket client that spoke too early.
        """
        for exchange in self._live:
            exchange.disconnect()

    def spawn(self, function: Callable[..., Awaitable[None]], *args: object) -> None:
        self._background.start_soon(function, *args)


def part_sender(scope: HTTPScope) -> SendPart | None:
    """What sends the body of a response to this request in parts, where its protocol has it."""
    return cast("Mapping[str, Mapping[str, SendPart]]", scope["extensions"]).get(PARTS, {}).get("send")


class Exchange:
    """One request (or WebSocket) while the application has it."""

    def __init__(self, scope: Scope, send: StreamSend) -> None:
        self._scope = scope
        self._stream_send = send
        self._waiting: deque[ASGIReceiveEvent] = deque()
        self._changed = trio.lowlevel.ParkingLot()
        self._farewell: ASGIReceiveEvent | None = None
        self._has_begun = False

    async def run(self, app: ASGIApp) -> None:
        """Let the application answer, and see to it that the client gets an answer, whatever it does.

        *Error handling*: an exception of the application is logged, and answered with 500 or, in a WebSocket, with
        close code 1011; where the response had begun, the connection is closed.
        """
        failed = False
        try:
            await app(self._scope, self.receive, self.send)
        except* Exception as failures:
            failed = True
            cause = failures.exceptions[0] if len(failures.exceptions) == 1 else failures
            _log.error("The application failed.", request=self._place, exc_info=cause)
        if self._scope["type"] == "http" and not self._has_begun and self._farewell is None:
            if not failed:
                _log.error("The application gave no answer.", request=self._place)
            await self._fail()
        await self._stream_send(None)

    async def put(self, message: ASGIReceiveEvent) -> None:
        """Hand a message from the client to the application; waits while it has too many already.

        A farewell never waits, and lets go whoever does.
        """
        if message["type"] in ("http.disconnect", "websocket.disconnect"):
            self.disconnect(message)
            return
        while len(self._waiting) >= MAX_WAITING_MESSAGES and self._farewell is None:
            await self._changed.park()
        self._waiting.append(message)
        self._changed.unpark_all()

    def disconnect(self, message: ASGIReceiveEvent | None = None) -> None:
        """Say farewell with this message; the first counts."""
        if self._farewell is None:
            self._farewell = message or _FAREWELLS[self._scope["type"]]
        self._changed.unpark_all()

    async def receive(self) -> ASGIReceiveEvent:
        """ASGI's `receive`. After the farewell, gives it again and again."""
        while not self._waiting:
            if self._farewell is not None:
                await trio.lowlevel.checkpoint()
                return self._farewell
            await self._changed.park()
        self._changed.unpark_all()
        return self._waiting.popleft()

    async def send(self, message: ASGISendEvent) -> None:
        """ASGI's `send`. To a client that is gone it does nothing."""
        self._has_begun = self._has_begun or message["type"] == "http.response.start"
        if self._farewell is not None:
            await trio.lowlevel.checkpoint()  # or an application that does not listen would never let others run
        await self._stream_send(message)

    async def _fail(self) -> None:
        body = refusal(500)
        await self.send({"type": "http.response.start", "status": 500, "headers": refusal_headers(body)})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    @property
    def _place(self) -> str:
        scope = self._scope
        if scope["type"] == "http":
            return f"{scope['method']} {scope['path']}"
        return f"WebSocket {scope['path']}" if scope["type"] == "websocket" else scope["type"]
