"""A client without a network: it calls an ASGI application with the very bytes that a test names."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast
from urllib.parse import unquote

import trio
from attrs import frozen
from quart_trio import QuartTrio
from trio.testing import wait_all_tasks_blocked


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
) -> Answer:
    """One request. Without `body` it has none, and with `more` the body never ends.

    Before the body arrives and once the application has nothing to do, `before_body` is awaited; after it the client
    stays, or goes away with `disconnect`.
    """
    path, _, query = target.partition("?")
    host = [] if replace_host else [(b"host", b"127.0.0.1:18790")]
    sized = [] if body is None or more else [(b"content-length", str(len(body)).encode())]
    scope: dict[str, Any] = {
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
    first = {"type": "http.request", "body": body or b"", "more_body": more}
    incoming: list[dict[str, Any]] = [first if kind == "http" else {"type": "websocket.connect"}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if incoming:
            if before_body:
                await wait_all_tasks_blocked()
                await before_body()
            return incoming.pop()
        if not disconnect:
            await trio.sleep_forever()
        await wait_all_tasks_blocked()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        await trio.lowlevel.checkpoint()

    await cast("Any", app)(scope, receive, send)
    assert sent, "no answer"
    start, *rest = sent
    names = [name.decode() for name, _ in start["headers"]]
    assert len(names) == len(set(names)), "a header went out twice"
    return Answer(
        status=start["status"],
        headers={name.decode(): value.decode() for name, value in start["headers"]},
        body=b"".join(message.get("body", b"") for message in rest),
    )
