"""A gateway's API that answers each request with what a script says: JSON, or a stream that ends, breaks or hangs."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from attrs import define, frozen

from tests.fakes.gateway import TOKEN
from xopc.cli.gateway.target import find_target
from xopc_supervisor.contract import LockInfo, start_time


class End(Enum):
    """What comes after the frames of a stream."""

    CLOSE = "close"
    """Its proper end."""
    BREAK = "break"
    """The connection ends in the middle, as when the gateway is killed."""
    HANG = "hang"
    """Nothing, until the block ends."""


@frozen
class Asked:
    """A request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: Any


@frozen
class Json:
    """An answer in JSON."""

    body: Mapping[str, Any]
    status: int = 200


@frozen
class Stream:
    """An answer in server-sent events."""

    frames: tuple[bytes, ...]
    end: End = End.CLOSE


@define
class Script:
    """What the API answers with, in this order; after the last one, 404."""

    answers: list[Json | Stream]
    asked: list[Asked]
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def frame(number: int, event: str, **data: object) -> bytes:
    """One event, as the gateway writes it."""
    return f"id: {number}\nevent: {event}\ndata: {json.dumps({'type': event, **data})}\n\n".encode()


@contextmanager
def serving(*answers: Json | Stream, is_gateway: bool = True) -> Generator[Script]:
    """The API, until the end of the block; unless told otherwise, it is the gateway that commands find."""
    script = Script(list(answers), [])
    over = threading.Event()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_PATCH(self) -> None:
            self._answer()

        def do_DELETE(self) -> None:
            self._answer()

        def _answer(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.close_connection = True
            with lock:
                script.asked.append(Asked(self.command, self.path, headers, json.loads(data) if data else None))
                error = {"error": {"code": "NOT_FOUND", "message": "The script has ended."}}
                answer = script.answers.pop(0) if script.answers else Json(error, 404)
            if isinstance(answer, Json):
                self._send_json(answer)
            else:
                self._send_stream(answer)

        def _send_json(self, answer: Json) -> None:
            data = json.dumps(answer.body).encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _send_stream(self, answer: Stream) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in answer.frames:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if answer.end is End.CLOSE:
                self.wfile.write(b"0\r\n\r\n")
            elif answer.end is End.HANG:
                over.wait(30)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        if is_gateway:
            announce(script.port)
        yield script
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def announce(port: int) -> None:
    """Have the lock of the default configuration say that this process is its gateway, and listens at `port`."""
    paths = find_target(None).paths
    if not paths.config_path.exists():
        paths.config_path.parent.mkdir(exist_ok=True)
        paths.config_path.write_text(json.dumps({"gateway": {"auth": {"token": TOKEN}}}))
    info = LockInfo(os.getpid(), start_time(os.getpid()), "", "", host="127.0.0.1", port=port, state="serving")
    paths.lock_path.parent.mkdir(parents=True, exist_ok=True)
    paths.lock_path.write_text(info.to_json())
