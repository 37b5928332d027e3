"""Many subscribers of the events in one process, which cost little: it prints JSON about what they got.

`python -m tests.benchmarks.listeners PORT TOKEN SUBSCRIBERS EVENTS` tells `open` when all have been greeted, and its
findings when each has got so many events, or nothing has come for a while.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time

from attrs import define, field

SILENCE_SECONDS = 10.0
_STAMP = re.compile(rb'"number":([0-9]+),"at":([0-9]+)\}')


@define(eq=False)
class Listener:
    """One subscriber."""

    socket: socket.socket
    rest: bytes = b""
    last: int = 0
    """The number of the last event."""
    lost: int = 0
    delays: list[int] = field(factory=list[int])
    """In nanoseconds."""

    @classmethod
    def connect(cls, port: int, token: str) -> Listener:
        """Subscribe, and read the greeting."""
        opened = cls(socket.create_connection(("127.0.0.1", port), timeout=30))
        lines = ("GET /api/events HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}", "", "")
        opened.socket.sendall("\r\n".join(lines).encode())
        while b"event: connected" not in opened.rest:
            data = opened.socket.recv(65536)
            assert data, opened.rest
            opened.rest += data
        opened.rest = b""
        opened.socket.setblocking(False)
        return opened

    def read(self) -> bool:
        """Read once; False at the end of the stream."""
        data = self.socket.recv(1024 * 1024)
        now = time.monotonic_ns()
        text = self.rest + data
        end = 0
        for match in _STAMP.finditer(text):
            number = int(match[1])
            self.lost += number - self.last - 1
            self.last = number
            self.delays.append(now - int(match[2]))
            end = match.end()
        self.rest = text[end:]
        return bool(data)


def main(port: int, token: str, subscribers: int, events: int) -> None:
    """Listen, and tell."""
    opened = [Listener.connect(port, token) for _ in range(subscribers)]
    sys.stdout.write("open\n")
    sys.stdout.flush()
    selector = selectors.DefaultSelector()
    for listener in opened:
        selector.register(listener.socket, selectors.EVENT_READ, listener)
    waiting, closed = subscribers, 0
    patience = 60.0  # until the first of all
    while waiting and (ready := selector.select(patience)):
        patience = SILENCE_SECONDS
        for key, _ in ready:
            listener: Listener = key.data
            is_open = listener.read()
            if not is_open or listener.last == events:
                closed += not is_open
                waiting -= 1
                selector.unregister(listener.socket)
    delays = sorted(delay for listener in opened for delay in listener.delays)
    lost = sum(listener.lost + events - listener.last for listener in opened)
    found = {
        "lost": lost,
        "closed": closed,
        "delays_ms": [delay / 1e6 for delay in delays[:: max(1, len(delays) // 5000)]],
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
