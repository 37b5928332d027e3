"""A load generator that costs little: many kept-alive connections in one thread, one request in flight on each."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Sequence

from attrs import frozen


@frozen
class Throughput:
    """What one run of the generator saw."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


class _Connection:
    def __init__(self, port: int, request: bytes) -> None:
        self.port = port
        self.request = request
        self.sent_at = 0.0
        self.received = b""
        self.is_over = False
        """The server has announced that it closes: it does so after a thousand requests."""
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.is_over = False

    def send(self) -> None:
        self.sent_at = time.perf_counter()
        self.socket.sendall(self.request)

    def is_answered(self) -> bool:
        """Read once; whether a whole response with status 200 is there."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed a connection in the middle of a run")
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end:
            return False
        if not head.startswith(b"HTTP/1.1 200 "):
            raise ConnectionError(f"the server answered {head[:60]!r}")
        lowered = head.lower()
        length = int(lowered[lowered.index(b"content-length:") + 15 :].split(b"\r\n", 1)[0])
        if len(body) < length:
            return False
        self.received = b""
        self.is_over = b"\r\nconnection: close\r\n" in lowered + b"\r\n"
        return True


def measure(
    port: int, path: str, headers: dict[str, str], *, connections: int, seconds: float, bodies: Sequence[str] = ()
) -> Throughput:
    """Ask for `path` as fast as the answers come, for a while; with `bodies`, post one of them on each connection."""
    waits: list[float] = []
    selector = selectors.DefaultSelector()
    opened = [
        _Connection(port, _request(path, headers, bodies[number] if bodies else None)) for number in range(connections)
    ]
    began = time.perf_counter()
    for connection in opened:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send()
    while time.perf_counter() - began < seconds:
        for key, _ in selector.select(1):
            connection: _Connection = key.data
            if connection.is_answered():
                waits.append(time.perf_counter() - connection.sent_at)
                if connection.is_over:
                    selector.unregister(connection.socket)
                    connection.socket.close()
                    connection.connect()
                    selector.register(connection.socket, selectors.EVENT_READ, connection)
                connection.send()
    elapsed = time.perf_counter() - began
    selector.close()
    for connection in opened:
        connection.socket.close()
    waits.sort()
    return Throughput(len(waits), elapsed, waits[len(waits) // 2] * 1000, waits[int(len(waits) * 0.99)] * 1000)


def _request(path: str, headers: dict[str, str], body: str | None) -> bytes:
    lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    content = (body or "").encode()
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content
