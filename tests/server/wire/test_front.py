"""What stands before the application, called as plain ASGI."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio
from hypercorn.typing import ASGIReceiveCallable, ASGIReceiveEvent, ASGISendCallable, ASGISendEvent, Scope
from trio.testing import wait_all_tasks_blocked

from tests.fakes.door import open_door
from tests.fakes.wire import answer, hello
from xopc.server.wire.front import Front
from xopc.server.wire.headers import SECURITY_HEADERS

BODY = b'{"status": "healthy"}'
LAST: ASGISendEvent = {"type": "http.response.body", "body": b"", "more_body": False}
PART: ASGISendEvent = {"type": "http.response.body", "body": b"x", "more_body": True}


class Client:
    """The server's side of one request: what it said is in `sent`."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.inbox, self._outbox = trio.open_memory_channel[ASGIReceiveEvent](10)

    async def send(self, message: ASGISendEvent) -> None:
        self.sent.append(message)
        await trio.lowlevel.checkpoint()

    async def receive(self) -> ASGIReceiveEvent:
        return await self._outbox.receive()

    def leave(self) -> None:
        self.inbox.send_nowait({"type": "http.disconnect"})


def scope(method: str, path: str, kind: str = "http") -> Scope:
    return cast("Scope", {"type": kind, "method": method, "path": path, "headers": []})


async def ask(front: Front, method: str, path: str) -> list[Any]:
    client = Client()
    await front(scope(method, path), client.receive, client.send)
    return client.sent


@pytest.mark.parametrize(
    ("header", "reaches"),
    [
        ((b"content-length", b"2"), True),
        ((b"transfer-encoding", b"chunked"), True),
        ((b"content-length", b"0"), False),
        ((b"accept", b"*/*"), False),
    ],
)
async def test_a_question_for_health_with_a_body_is_the_application_s_to_refuse(
    header: tuple[bytes, bytes], reaches: bool
) -> None:
    client = Client()
    asked = cast("Scope", {"type": "http", "method": "GET", "path": "/health", "headers": [header]})
    await Front(hello, open_door(), lambda: (503, BODY))(asked, client.receive, client.send)
    assert (client.sent[-1]["body"] == b"hello") is reaches


@pytest.mark.parametrize("path", ["/health", "/api/health"])
async def test_health_is_answered_before_the_application(path: str) -> None:
    start, body = await ask(Front(hello, open_door(), lambda: (503, BODY)), "GET", path)
    assert start["status"] == 503
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    assert headers == {
        "content-type": "application/json",
        "content-length": str(len(BODY)),
        "cache-control": "no-store",
        **{name.lower(): value for name, value in SECURITY_HEADERS.items()},
    }
    assert body == {"type": "http.response.body", "body": BODY, "more_body": False}


async def test_head_of_health_tells_the_length_and_has_no_body() -> None:
    start, body = await ask(Front(hello, open_door(), lambda: (200, BODY)), "HEAD", "/health")
    assert (b"content-length", b"%d" % len(BODY)) in start["headers"]
    assert body["body"] == b""


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/health"), ("OPTIONS", "/api/health"), ("GET", "/"), ("GET", "/health/")]
)
async def test_everything_else_reaches_the_application(method: str, path: str) -> None:
    start, body = await ask(Front(hello, open_door(), lambda: (200, BODY)), method, path)
    assert start["status"] == 200
    assert body["body"] == b"hello"


async def test_a_websocket_reaches_the_application_untouched() -> None:
    seen: list[object] = []

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        seen.extend([scope["type"], receive, send])
        await trio.lowlevel.checkpoint()

    client = Client()
    receive, send = client.receive, client.send
    await Front(app, open_door(), lambda: (200, BODY))(scope("GET", "/health", "websocket"), receive, send)
    assert seen == ["websocket", receive, send]


async def test_a_disconnect_from_inside_the_last_send_waits_for_its_end() -> None:
    """As quart-trio has it: one task waits for the disconnect and then cancels the other, which sends."""
    client = Client()
    order: list[str] = []

    async def send(message: ASGISendEvent) -> None:
        if message == LAST:
            client.leave()
            await wait_all_tasks_blocked()
            order.append("sent")

    async def app(_scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cancel_at_disconnect, nursery, receive)
            await answer(send, b"")

    async def cancel_at_disconnect(nursery: trio.Nursery, receive: ASGIReceiveCallable) -> None:
        assert (await receive())["type"] == "http.disconnect"
        order.append("disconnected")
        nursery.cancel_scope.cancel()

    await Front(app, open_door(), lambda: (200, BODY))(scope("GET", "/"), client.receive, send)
    assert order == ["sent", "disconnected"]


async def test_a_client_that_leaves_before_the_last_send_is_reported_at_once() -> None:
    client = Client()
    seen: list[str] = []

    async def app(_scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send(PART)
        client.leave()
        seen.append((await receive())["type"])

    await Front(app, open_door(), lambda: (200, BODY))(scope("GET", "/"), client.receive, client.send)
    assert seen == ["http.disconnect"]


async def test_a_last_send_that_fails_lets_the_disconnect_through() -> None:
    client = Client()
    seen: list[str] = []

    async def broken(_message: ASGISendEvent) -> None:
        await trio.lowlevel.checkpoint()
        raise ConnectionResetError

    async def app(_scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        with pytest.raises(ConnectionResetError):
            await send(LAST)
        client.leave()
        seen.append((await receive())["type"])

    await Front(app, open_door(), lambda: (200, BODY))(scope("GET", "/"), client.receive, broken)
    assert seen == ["http.disconnect"]


async def test_other_messages_of_the_client_pass_as_they_are() -> None:
    client = Client()
    message: ASGIReceiveEvent = {"type": "http.request", "body": b"abc", "more_body": False}
    client.inbox.send_nowait(message)
    seen: list[object] = []

    async def app(_scope: Scope, receive: ASGIReceiveCallable, _send: ASGISendCallable) -> None:
        seen.append(await receive())

    await Front(app, open_door(), lambda: (200, BODY))(scope("POST", "/"), client.receive, client.send)
    assert seen == [message]
