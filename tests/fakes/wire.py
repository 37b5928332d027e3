"""An HTTP client that says exactly what a test tells it, and shows what came back, piece by piece."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Self, cast

import trio
from attrs import frozen
from hypercorn.typing import ASGIFramework as ASGIApp, ASGIReceiveCallable, ASGISendCallable, Scope

from xopc.server.wire.serve import Server


@frozen
class Reply:
    """One response, as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection. Made by `connect`; whoever makes it closes it, or lets `async with` do so."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._unread = b""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stream.aclose()

    async def say(self, text: str | bytes) -> None:
        """Send bytes as they are; a text with its line ends made CRLF."""
        await self.stream.send_all(text if isinstance(text, bytes) else text.replace("\n", "\r\n").encode())

    async def get(self, path: str = "/") -> Reply:
        """A whole `GET`, with keep-alive."""
        await self.say(f"GET {path} HTTP/1.1\nHost: localhost\n\n")
        return await self.reply()

    async def reply(self, *, has_body: bool = True) -> Reply:
        """The next response. An HTTP/1.1 one with a length, or in chunks."""
        status, *lines = (await self.until(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = b""
        if has_body and headers.get("transfer-encoding") == "chunked":
            while chunk := await self.chunk():
                body += chunk
        elif has_body:
            body = await self._exactly(int(headers.get("content-length", 0)))
        return Reply(int(status.split()[1]), headers, body)

    async def chunk(self) -> bytes:
        """The next chunk of a body in chunks; the last is empty."""
        size = int(await self.until(b"\r\n"), 16)
        return (await self._exactly(size + 2))[:-2]

    async def piece(self) -> bytes:
        """What one read gives; empty once the server has closed."""
        unread, self._unread = self._unread, b""
        return unread or await self.stream.receive_some()

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        text = b""
        while piece := await self.piece():
            text += piece
        return text

    async def until(self, end: bytes) -> bytes:
        """What comes before `end`, which is skipped."""
        while end not in self._unread:
            self._unread += await self._more()
        text, _, self._unread = self._unread.partition(end)
        return text

    async def _exactly(self, size: int) -> bytes:
        while len(self._unread) < size:
            self._unread += await self._more()
        text, self._unread = self._unread[:size], self._unread[size:]
        return text

    async def _more(self) -> bytes:
        data = await self.stream.receive_some()
        assert data, f"the server closed after {self._unread!r}"
        return data


class SecureWire(Wire):
    """One of TLS. Made by `secure`."""

    def __init__(self, tls: trio.SSLStream[trio.SocketStream]) -> None:
        super().__init__(cast("trio.SocketStream", tls))  # of which it has all that is used
        self.tls = tls


@frozen
class Served:
    """A running server."""

    server: Server
    listener: socket.socket
    port: int
    nursery: trio.Nursery
    """Ends with the server."""

    async def connect(self, *, receive_bytes: int | None = None) -> Wire:
        """A connection to it, see `connect`."""
        return await connect(self.port, receive_bytes=receive_bytes)

    async def connect_securely(self, context: ssl.SSLContext, *, receive_bytes: int | None = None) -> SecureWire:
        """A connection of TLS to it, after the handshake."""
        return await secure(await self.connect(receive_bytes=receive_bytes), context)

    async def until_connections(self, count: int) -> None:
        """Wait until the server has so many open."""
        while self.server.connections != count:  # noqa: ASYNC110  the server announces no connection
            await trio.sleep(0.1)


@asynccontextmanager
async def serving(app: ASGIApp, **patience: float) -> AsyncGenerator[Served]:
    """`app` on a server of its own, on loopback; cancelled with the block."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        server = Server(app, **patience)
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run, [listener])
            yield Served(server, listener, listener.getsockname()[1], nursery)
            nursery.cancel_scope.cancel()


async def connect(port: int, *, receive_bytes: int | None = None) -> Wire:
    """A connection on loopback; `receive_bytes` bounds what the client's kernel takes without being read."""
    client = trio.socket.socket()
    if receive_bytes is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    await client.connect(("127.0.0.1", port))
    return Wire(trio.SocketStream(client))


async def secure(wire: Wire, context: ssl.SSLContext) -> SecureWire:
    """TLS on a connection. A server that closes without TLS's own farewell is a `BrokenResourceError`."""
    stream = trio.SSLStream(wire.stream, context, server_hostname="localhost")
    await stream.do_handshake()
    return SecureWire(stream)


def backlog(listener: socket.socket) -> int:
    """How many may wait at a listening socket: `tcpi_sacked` of tcp(7) TCP_INFO."""
    return struct.unpack_from("I", listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 28)[0]


async def hello(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """An application that answers `hello` at once, whatever is asked."""
    await answer(send, b"hello")


async def answer(send: ASGISendCallable, body: bytes, status: int = 200) -> None:
    """A response whose length is known, in two messages."""
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
