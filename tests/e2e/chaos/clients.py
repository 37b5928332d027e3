"""Clients that never stop asking: over new connections, over kept ones, and as subscribers of the events."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from attrs import frozen

from tests.e2e.chaos.ledger import Ledger, Outcome, Request, Stream
from tests.e2e.harness import TOKEN

TIMEOUT_SECONDS = 40
"""Longer than any disturbance: a slow answer is a figure, not a failure."""
PAUSE_SECONDS = 0.005
CREDENTIAL = {"X-Api-Key": TOKEN}


@frozen
class Answer:
    """What came of one request."""

    outcome: Outcome
    detail: str = ""
    body: Any = None
    """JSON."""
    keeps: bool = False
    """Whether the connection can be used again."""


class Client(threading.Thread):
    """Does one thing over and over until `finish`. An error that it did not expect is raised by `finish`."""

    def __init__(self, name: str, port: int, ledger: Ledger) -> None:
        super().__init__(name=name, daemon=True)
        self.port = port
        self.ledger = ledger
        self.ending = threading.Event()
        self.asks_for_turns = False
        self._error: Exception | None = None

    @abstractmethod
    def act(self) -> None:
        """Once."""

    def run(self) -> None:
        try:
            while not self.ending.is_set():
                self.act()
        except Exception as error:
            self._error = error

    def finish(self) -> None:
        self.ending.set()
        self.join(TIMEOUT_SECONDS + 5)
        if self._error is not None:
            raise self._error
        assert not self.is_alive(), f"{self.name} does not end"

    def note(self, began: float, answer: Answer) -> None:
        seen = Request(self.name, began, time.monotonic(), answer.outcome, answer.detail, self.asks_for_turns)
        self.ledger.requests.append(seen)


class Opener(Client):
    """Asks over a new connection each time."""

    def __init__(self, port: int, ledger: Ledger, path: str, headers: dict[str, str]) -> None:
        super().__init__(f"opener of {path}", port, ledger)
        self._path = path
        self._headers = headers

    def act(self) -> None:
        began = time.monotonic()
        connection = connect(self.port)
        self.note(began, ask(connection, "GET", self._path, headers=self._headers))
        connection.close()
        time.sleep(PAUSE_SECONDS)


class Keeper(Client):
    """Asks over one connection for as long as the server keeps it."""

    def __init__(self, port: int, ledger: Ledger, path: str, headers: dict[str, str]) -> None:
        super().__init__(f"keeper of {path}", port, ledger)
        self._path = path
        self._headers = headers
        self._connection: http.client.HTTPConnection | None = None

    def act(self) -> None:
        self._connection = self._connection or connect(self.port)
        began = time.monotonic()
        answer = ask(self._connection, "GET", self._path, headers=self._headers)
        self.note(began, answer)
        if not answer.keeps:
            self._connection.close()
            self._connection = None
        time.sleep(PAUSE_SECONDS)

    def finish(self) -> None:
        super().finish()
        if self._connection is not None:
            self._connection.close()


class Subscriber(Client):
    """Listens to `GET /api/events`, and again as soon as the stream ends."""

    def __init__(self, port: int, ledger: Ledger) -> None:
        super().__init__("subscriber", port, ledger)
        self._socket: socket.socket | None = None

    def act(self) -> None:
        began = time.monotonic()
        connection = connect(self.port)
        try:
            connection.connect()
            self._socket = connection.sock
            connection.request("GET", "/api/events", headers=CREDENTIAL)
            response = connection.getresponse()
            heard = response.read1()
        except (OSError, http.client.HTTPException) as error:
            if not self.ending.is_set():
                self.note(began, failed(error, reused=False))
            connection.close()
            time.sleep(PAUSE_SECONDS)
            return
        if response.status != 200 or b"event: connected" not in heard:
            self.note(began, Answer(Outcome.WRONG, f"{response.status} {heard[:200]!r}"))
            connection.close()
            return
        self.note(began, Answer(Outcome.ANSWERED))
        self._listen(response, heard)
        connection.close()

    def finish(self) -> None:
        self.ending.set()
        if self._socket is not None:
            with suppress(OSError):  # it may have ended just now
                self._socket.shutdown(socket.SHUT_RDWR)
        super().finish()

    def _listen(self, response: http.client.HTTPResponse, heard: bytes) -> None:
        began = time.monotonic()
        is_whole = False
        tail = heard
        said_shutdown = b"event: shutdown" in tail
        try:
            while data := response.read1():
                # A word may come in two pieces.
                tail = tail[-64:] + data
                said_shutdown = said_shutdown or b"event: shutdown" in tail
            is_whole = True
        except (OSError, http.client.HTTPException):
            pass
        if not self.ending.is_set():
            self.ledger.streams.append(Stream(began, time.monotonic(), said_shutdown, is_whole))


def clients(port: int, ledger: Ledger) -> Sequence[Client]:
    """One of each kind, and two where they take turns in being in the way."""
    return (
        Opener(port, ledger, "/health", {}),
        Opener(port, ledger, "/api/status", CREDENTIAL),
        Keeper(port, ledger, "/health", {}),
        Keeper(port, ledger, "/api/status", CREDENTIAL),
        Subscriber(port, ledger),
    )


def connect(port: int) -> http.client.HTTPConnection:
    """A connection, made with the first request."""
    return http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: object = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """One request, and what came of it."""
    reused = connection.sock is not None
    if not reused:
        try:
            connection.connect()
        except TimeoutError:
            return Answer(Outcome.SILENT, "connecting took too long")
        except OSError as error:
            return Answer(Outcome.REFUSED, str(error))
    response: http.client.HTTPResponse | None = None
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        data = response.read()
    except (OSError, http.client.HTTPException) as error:
        return failed(error, reused=reused and response is None)
    try:
        answer = json.loads(data)
    except ValueError:
        return Answer(Outcome.TORN, f"status {response.status}, body {data[:80]!r}")
    if response.status != 200:
        return Answer(Outcome.WRONG, f"status {response.status}, {data[:200]!r}", answer)
    return Answer(Outcome.ANSWERED, body=answer, keeps=not response.will_close)


def failed(error: Exception, *, reused: bool) -> Answer:
    """What an error means. A server may close a kept-alive connection between requests (RFC 9112 section 9.3.1)."""
    if isinstance(error, TimeoutError):
        return Answer(Outcome.SILENT, "no answer in time")
    if isinstance(error, ConnectionRefusedError):
        return Answer(Outcome.REFUSED, str(error))
    ended = isinstance(error, http.client.RemoteDisconnected | BrokenPipeError | ConnectionResetError)
    return Answer(Outcome.CLOSED if reused and ended else Outcome.TORN, f"{type(error).__name__}: {error}")
