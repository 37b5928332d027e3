"""One connection: bytes in and out of a socket, and the moments at which it has to end.

Works on the socket, through the transport of plain HTTP or of TLS, and on trio's `wait_readable` and
`wait_writable`: a response nearly always fits into the kernel's buffer, so that it needs neither a deadline nor a
turn of the event loop.
"""

from __future__ import annotations

import math
import socket
import ssl
import struct
from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus
from typing import TypeAlias, cast

import structlog
import trio
from attrs import frozen
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework as ASGIApp, ConnectionState, TaskGroup
from structlog.typing import FilteringBoundLogger

from xopc.server.wire.exchange import Exchanges
from xopc.server.wire.http1 import Http1, Rules
from xopc.server.wire.tls import Tls
from xopc.server.wire.transport import NotTlsError, Plain, Transport

LINGER_SECONDS = 5
"""For a client to read an answer that came before it had sent its whole body, or to answer a WebSocket's close."""
RETIRED_LINGER_SECONDS = 1
"""The same during a drain."""
LINGER_BYTES = 64 * 1024 * 1024
"""So much of that body is discarded meanwhile: an upload of the largest attachments."""
UNSENT_BYTES = 128 * 1024
"""So much waits in the kernel beyond what the client has room for; the rest waits for `write_seconds` to apply."""

NOT_TLS = "This port speaks HTTPS: use https:// in place of http://."
"""What a client of plain HTTP is told there."""

Heir: TypeAlias = Callable[[socket.socket], bool]
"""Passes a TCP connection on to another process; False when it cannot. It never waits, and closes nothing."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_CONTEXT = WorkerContext(None)  # hypercorn's shutdown, which ours replaces: it never terminates
_log: FilteringBoundLogger = structlog.get_logger("xopc.server")


@frozen
class Patience:
    """How long a client may take."""

    keep_alive_seconds: float
    """Between two requests."""
    head_seconds: float
    """For the first request to begin, and for the head of any request to arrive whole."""
    write_seconds: float
    """To read on, when there is more for it than the kernel buffers."""


class _Phase(Enum):
    QUIET = auto()
    """Before the first request, or between two: no byte of the next was read, and nothing of the last is unsent."""
    HEAD = auto()
    """A request has begun to arrive."""
    REQUEST = auto()
    """A request, or a WebSocket."""
    LINGER = auto()
    """Nothing more is sent; what arrives is discarded, until the client has closed."""


class Connection:
    """One accepted connection.

    *Ownership*: closes the socket, at the end of `run`.
    """

    def __init__(
        self,
        client: socket.socket,
        address: tuple[str, int],
        app: ASGIApp,
        rules: Rules,
        patience: Patience,
        *,
        tls: ssl.SSLContext | None = None,
        is_adopted: bool = False,
    ) -> None:
        """`address` is the client's. One that `is_adopted` has been served elsewhere, and is between two requests.

        With `tls` it speaks HTTPS.
        """
        client.setblocking(False)
        self.deadline = trio.current_time() + (patience.keep_alive_seconds if is_adopted else patience.head_seconds)
        """When `expire` is due, on trio's clock."""
        self._socket = client
        self._transport: Transport = Plain(client) if tls is None else Tls(client, tls)
        self._address = address
        self._app = app
        self._rules = rules
        self._patience = patience
        self._phase = _Phase.QUIET
        self._protocol: Http1
        self._reading = trio.CancelScope()
        self._writing = trio.Lock()
        self._discarded = 0
        self._has_asked = is_adopted
        self._heir: Heir | None = None
        self._is_passed = False
        self._is_retired = False
        self._is_shut = False

    @property
    def is_secure(self) -> bool:
        """Whether it is TLS, which cannot be passed on."""
        return self._transport.is_secure

    @property
    def is_new(self) -> bool:
        """Whether no request has come on it yet."""
        return not self._has_asked

    async def run(self) -> None:
        """Serve the connection to its end; raises nothing.

        *Cancellation*: closes the connection at once, and cancels its requests.
        """
        try:
            self._set_options()
            async with trio.open_nursery() as background:
                async with trio.open_nursery() as requests:
                    exchanges = Exchanges(self._app, requests, background, self._send_part)
                    self._protocol = self._open_protocol(exchanges)
                    with self._reading:
                        await self._read()
                    if self._is_passed:
                        self._socket.close()  # or its end, at the heir's, would wait for the request that is ending
                    if self._phase is _Phase.HEAD and trio.current_time() >= self.deadline:
                        await self._protocol.refuse(HTTPStatus.REQUEST_TIMEOUT)
                    await self._protocol.handle(Closed())
                    exchanges.disconnect()
                background.cancel_scope.cancel()
        except* OSError:
            pass  # gone before it was looked at
        except* Exception as failures:
            _log.error("A connection failed and was closed.", exc_info=failures)
        finally:
            if not self._is_shut:
                self._say_farewell()
            self._socket.close()

    def expire(self) -> None:
        """Its deadline has passed: end what it waits for, unless that has just arrived."""
        if self._phase is not _Phase.QUIET or self._is_silent():
            self._reading.cancel()

    def retire(self) -> None:
        """End as soon as nothing is owed to the client, at once if so already."""
        self._is_retired = True
        if self._phase is _Phase.LINGER or (self._phase is _Phase.QUIET and self._is_silent()):
            self._reading.cancel()

    def give_way(self) -> bool:
        """End at once, for want of room, where no request is under way. Whether it does, and did not before."""
        if self._phase is _Phase.REQUEST or self._reading.cancel_called:
            return False
        self._reading.cancel()
        return True

    def bequeath(self, heir: Heir) -> None:
        """Pass the connection on as soon as it is quiet, at once if so already; it then ends here.

        What waits to be read goes with it. A connection that `heir` does not take stays as it is.
        One of TLS is never passed on, and stays as well.
        """
        self._heir = heir
        if self._phase is _Phase.QUIET:
            self._pass_on()
        elif self._phase is _Phase.LINGER:
            self.deadline = min(self.deadline, trio.current_time() + RETIRED_LINGER_SECONDS)

    def _pass_on(self) -> bool:
        if self._is_shut or self._heir is None or self.is_secure or not self._heir(self._socket):
            return False
        self._is_shut = self._is_passed = True
        self._reading.cancel()
        return True

    # -------------------------------------------------------------- reading

    async def _read(self) -> None:
        """Until the client has closed, or whoever cancels `_reading` wants it."""
        while True:
            if not self._transport.is_over:
                await trio.lowlevel.wait_readable(self._socket)
            if self._is_passed:
                return  # between the wake-up and now: what has arrived is the heir's to read
            try:
                data = self._transport.receive()
            except BlockingIOError:  # select(2), BUGS: readiness may be a false alarm
                if self._transport.is_receiving and self._phase is _Phase.QUIET:
                    self._enter(_Phase.HEAD, self._patience.head_seconds)
                continue
            except NotTlsError:
                await self._refuse_plain_http()
                continue
            except OSError:
                return
            if self._phase is _Phase.LINGER:
                self._discarded += len(data)
            else:
                if self._phase is _Phase.QUIET:
                    self._enter(_Phase.HEAD, self._patience.head_seconds)
                await self._protocol.handle(RawData(data))
            if not data or self._discarded > LINGER_BYTES:
                return

    async def _refuse_plain_http(self) -> None:
        self._transport = Plain(self._socket)
        await self._protocol.refuse(HTTPStatus.BAD_REQUEST, NOT_TLS)
        await self._send(Closed())

    def _is_silent(self) -> bool:
        """Whether nothing of the client's waits to be read."""
        try:
            return not self._socket.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    # -------------------------------------------------------------- writing

    async def _send(self, event: Event) -> None:
        """What the protocol wants done."""
        if isinstance(event, RawData):
            await self._write(event.data)
        elif isinstance(event, Updated):
            if not event.idle:
                self._has_asked = True
                self._enter(_Phase.REQUEST, math.inf)
                return
            if self._protocol.has_next_request:
                self._enter(_Phase.HEAD, self._patience.head_seconds)
                return
            self._enter(_Phase.QUIET, self._patience.keep_alive_seconds)
            if not self._pass_on() and self._is_retired:
                self.retire()
        elif isinstance(event, Closed):
            await self._write(self._protocol.take_held())
            while not self._is_shut and not self._say_farewell():
                await self._wait_writable()
            self._half_close()

    async def _send_part(self, data: bytes) -> None:
        await self._write(self._protocol.as_chunk(data))

    async def _write(self, data: bytes) -> None:
        """Send `data`; a connection that does not take it is broken off, and this returns."""
        sent = 0
        if not self._writing.locked():
            sent = self._send_now(data)
            if sent == len(data):
                return
        try:
            async with self._writing:
                rest = memoryview(data)[sent:]
                while rest and not self._is_shut:
                    rest = rest[await self._send_soon(rest) :]
        except trio.Cancelled:
            self._break_off()  # part of a message is worse than nothing
            raise

    async def _send_soon(self, data: memoryview) -> int:
        await self._wait_writable()
        return self._send_now(data)

    async def _wait_writable(self) -> None:
        """Until the kernel takes more; a client for whom it does not in time is broken off."""
        with trio.move_on_after(self._patience.write_seconds) as patience:
            await trio.lowlevel.wait_writable(self._socket)
        if patience.cancelled_caught:
            seconds = self._patience.write_seconds
            _log.info("A client stopped reading and was cut off.", client=self._address[0], seconds=seconds)
            self._break_off()

    def _send_now(self, data: bytes | memoryview) -> int:
        """How much the kernel took. After the end everything is lost, and counts as sent."""
        if not self._is_shut:
            try:
                return self._transport.send(data) if data else 0
            except BlockingIOError:
                return 0
            except OSError:
                self._break_off()
        return len(data)

    def _break_off(self) -> None:
        """Nobody reads here any more: end the connection, and drop what the kernel has buffered for it."""
        self._is_shut = True
        self._reading.cancel()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)

    def _say_farewell(self) -> bool:
        """Whether the kernel has taken it, or never will."""
        try:
            return self._transport.say_farewell()
        except OSError:
            self._break_off()
            return True

    def _half_close(self) -> None:
        """Say that nothing more comes. The client may still be sending, and a plain close would then reset the
        connection, with the answer that it has not read yet."""
        self._is_shut = True
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._reading.cancel()
            return
        if self._protocol.expects_more or not self._is_silent():
            is_leaving = self._is_retired or self._heir is not None
            self._enter(_Phase.LINGER, RETIRED_LINGER_SECONDS if is_leaving else LINGER_SECONDS)
        else:
            self._reading.cancel()

    # -------------------------------------------------------------- helpers

    def _enter(self, phase: _Phase, seconds: float) -> None:
        self._phase = phase
        self.deadline = trio.current_time() + seconds

    def _set_options(self) -> None:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)

    def _open_protocol(self, exchanges: Exchanges) -> Http1:
        return Http1(
            ASGIWrapper(self._app),
            self._rules,
            _CONTEXT,
            cast("TaskGroup", exchanges),
            ConnectionState({}),
            self._transport.is_secure,
            self._address,
            self._socket.getsockname()[:2],
            self._send,
        )
