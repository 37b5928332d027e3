"""A client without a network: it calls an ASGI application with the very bytes that a test names."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import unquote

import trio
from attrs import frozen
from quart_trio import QuartTrio
from trio.testing import wait_all_tasks_blocked

from tests.leaks import WITNESS


@frozen
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON is of any kind
        return json.loads(self.body)

    @property
    def error(self) -> tuple[str, str]:
        """Code and message of the envelope; fails unless the body is exactly one."""
        assert self.headers["content-type"] == "application/json"
        assert self.json.keys() == {"error"}
        assert self.json["error"].keys() == {"code", "message"}
        return self.json["error"]["code"], self.json["error"]["message"]


async def ask(
    app: QuartTrio,
    method: str,
    target: str,
    headers: Iterable[tuple[bytes, bytes]] = (),
    body: bytes | None = None,
    *,
    more: bool = False,
    kind: str = "http",
    replace_host: bool = False,
    before_body: Callable[[], Awaitable[None]] | None = None,
    disconnect: bool = False,
    glances: bool = False,
) -> Answer:
    """One request. Without `body` it has none, and with `more` the body never ends.

    Before the body arrives and once the application has nothing to do, `before_body` is awaited; after it the client
    stays, or goes away with `disconnect`; one who `glances` goes away after the first event of a stream.
    """
    scope = _scope(method, target, headers, body, more=more, kind=kind, replace_host=replace_host)
    first = {"type": "http.request", "body": body or b"", "more_body": more}
    incoming: list[dict[str, Any]] = [first if kind == "http" else {"type": "websocket.connect"}]
    sent: list[dict[str, Any]] = []
    has_begun = trio.Event()

    async def receive() -> dict[str, Any]:
        if incoming:
            if before_body:
                await wait_all_tasks_blocked()
                await before_body()
            return incoming.pop()
        if glances:
            await has_begun.wait()
        elif not disconnect:
            await trio.sleep_forever()
        await wait_all_tasks_blocked()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if message.get("body"):
            has_begun.set()
        await trio.lowlevel.checkpoint()

    await cast("Any", app)(scope, receive, send)
    assert sent, "no answer"
    start, *rest = sent
    names = [name.decode() for name, _ in start["headers"]]
    assert len(names) == len(set(names)), "a header went out twice"
    answer = Answer(
        status=start["status"],
        headers={name.decode(): value.decode() for name, value in start["headers"]},
        body=b"".join(message.get("body", b"") for message in rest),
    )
    told = f"{answer.headers}\n{answer.body.decode(errors='replace')}"
    WITNESS.hear(f"the answer to {method} {target.partition('?')[0]}", told)
    return answer


@frozen
class Event:
    """One event of a stream. A comment has neither event nor data."""

    event: str | None
    data: str | None
    id: str | None

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON is of any kind
        return json.loads(self.data or "")


class EventClient:
    """A client that follows a stream of server-sent events."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.has_ended = False
        self._text = b""
        self._parts, self._incoming = trio.open_memory_channel[bytes](math.inf)

    async def event(self) -> Event:
        """The next event; fails when the stream has ended."""
        while b"\n\n" not in self._text:
            try:
                self._text += await self._incoming.receive()
            except trio.EndOfChannel:
                raise AssertionError(f"the stream has ended with {self._text!r}") from None
        block, _, self._text = self._text.partition(b"\n\n")
        lines = [line.partition(":") for line in block.decode().split("\n")]
        fields = {name: value.removeprefix(" ") for name, _, value in lines if name}
        return Event(fields.get("event"), fields.get("data"), fields.get("id"))

    async def events(self) -> list[Event]:
        """All that still come, until the end."""
        async for part in self._incoming:
            self._text += part
        blocks = self._text.count(b"\n\n")
        return [await self.event() for _ in range(blocks)]

    async def take(self, message: dict[str, Any]) -> None:
        """ASGI's `send`."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self._parts.send_nowait(message.get("body", b""))
            if not message.get("more_body", False):
                self.end()
        await trio.lowlevel.checkpoint()

    def end(self) -> None:
        self.has_ended = True
        self._parts.close()


@asynccontextmanager
async def follow(
    app: QuartTrio,
    method: str,
    target: str,
    headers: Iterable[tuple[bytes, bytes]] = (),
    body: bytes | None = None,
) -> AsyncGenerator[EventClient]:
    """Open a stream; the client goes away at the end of the block."""
    scope = _scope(method, target, headers, body)
    client = EventClient()
    incoming: list[dict[str, Any]] = [{"type": "http.request", "body": body or b"", "more_body": False}]
    gone = trio.Event()

    async def receive() -> dict[str, Any]:
        if not incoming:
            await gone.wait()
            return {"type": "http.disconnect"}
        return incoming.pop()

    async def serve() -> None:
        try:
            await cast("Any", app)(scope, receive, client.take)
        finally:
            client.end()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        try:
            yield client
        finally:
            gone.set()


def _scope(
    method: str,
    target: str,
    headers: Iterable[tuple[bytes, bytes]],
    body: bytes | None,
    *,
    more: bool = False,
    kind: str = "http",
    replace_host: bool = False,
) -> dict[str, Any]:
    path, _, query = target.partition("?")
    host = [] if replace_host else [(b"host", b"127.0.0.1:18790")]
    sized = [] if body is None or more else [(b"content-length", str(len(body)).encode())]
    return {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http" if kind == "http" else "ws",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode("latin1"),
        "root_path": "",
        "headers": [*host, *sized, *headers],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 18790),
        "state": {},
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
