"""A load generator that costs little: many kept-alive connections in one thread, one request in flight on each."""

from __future__ import annotations

import selectors
import socket
import time

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
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self.received = b""

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
        return True


def measure(port: int, path: str, headers: dict[str, str], *, connections: int, seconds: float) -> Throughput:
    """Ask for `path` as fast as the answers come, for a while."""
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    waits: list[float] = []
    selector = selectors.DefaultSelector()
    opened = [_Connection(port) for _ in range(connections)]
    began = time.perf_counter()
    for connection in opened:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.sent_at = time.perf_counter()
        connection.socket.sendall(request)
    while (now := time.perf_counter()) - began < seconds:
        for key, _ in selector.select(1):
            connection: _Connection = key.data
            if connection.is_answered():
                now = time.perf_counter()
                waits.append(now - connection.sent_at)
                connection.sent_at = now
                connection.socket.sendall(request)
    elapsed = time.perf_counter() - began
    selector.close()
    for connection in opened:
        connection.socket.close()
    waits.sort()
    return Throughput(len(waits), elapsed, waits[len(waits) // 2] * 1000, waits[int(len(waits) * 0.99)] * 1000)
