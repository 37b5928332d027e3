"""Clients that ask for something the whole time, and count what they got."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
import time
from collections.abc import Generator

TIMEOUT_SECONDS = 15
CLOSED = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, ssl.SSLEOFError)
"""How a close shows on a kept-alive connection: the last, where it crosses the request on the wire."""


def connect(port: int, context: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
    """A client of the gateway, over HTTPS where there is a context."""
    if context is None:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS, context=context)


class Load:
    """Threads that send requests to one port, over new connections and over kept-alive ones."""

    def __init__(self, port: int, path: str, headers: dict[str, str], context: ssl.SSLContext | None = None) -> None:
        """With a context, over HTTPS."""
        self.answered = 0
        self.failures: list[str] = []
        self.closed_while_idle = 0
        """Kept-alive connections that the server closed between two requests."""
        self.longest_seconds = 0.0
        self._port = port
        self._path = path
        self._headers = headers
        self._context = context
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._ask, args=(kept,), daemon=True) for kept in (False, False, True, True)
        ]

    def _ask(self, kept: bool) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._end.is_set():
            began = time.monotonic()
            reused = connection is not None
            try:
                connection = connection or connect(self._port, self._context)
                connection.request("GET", self._path, headers=self._headers)
                response = connection.getresponse()
                body = response.read()
                self._count(began, None if response.status == 200 and body else f"status {response.status}: {body!r}")
                closing = response.will_close
            except (OSError, http.client.HTTPException) as error:
                # A server may close an idle kept-alive connection at any time; then, and only before the first
                # byte of an answer, a client asks again on a new one (RFC 9112 section 9.3.1).
                if reused and isinstance(error, CLOSED):
                    self.closed_while_idle += 1
                else:
                    self._count(began, f"{type(error).__name__}: {error}")
                closing = True
            if connection is not None and (closing or not kept):
                connection.close()
                connection = None
            time.sleep(0.002)
        if connection is not None:
            connection.close()

    def _count(self, began: float, failure: str | None) -> None:
        with self._lock:
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)
            if failure is None:
                self.answered += 1
            else:
                self.failures.append(failure)

    @contextlib.contextmanager
    def running(self) -> Generator[Load]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._end.set()
            for thread in self._threads:
                thread.join(TIMEOUT_SECONDS + 5)
