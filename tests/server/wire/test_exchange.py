"""One request between a connection and the application, with a list in the place of hypercorn's stream."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
import trio
from hypercorn.config import Config
from hypercorn.typing import AppWrapper, ASGIReceiveCallable, ASGIReceiveEvent, ASGISendCallable, HTTPScope, Scope
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from tests.fakes.wire import answer, hello
from xopc.server.wire.exchange import MAX_WAITING_MESSAGES, Exchange, Exchanges, part_sender

App = Callable[[Scope, ASGIReceiveCallable, ASGISendCallable], Awaitable[None]]
DISCONNECT: ASGIReceiveEvent = {"type": "http.disconnect"}
HTTP = cast("Scope", {"type": "http", "method": "GET", "path": "/x"})
WEBSOCKET = cast("Scope", {"type": "websocket", "path": "/x"})


def piece(number: int) -> ASGIReceiveEvent:
    return {"type": "http.request", "body": b"%d" % number, "more_body": True}


class Stream:
    """What the application sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def send(self, message: Any) -> None:  # noqa: ANN401  typed dicts of two dozen kinds, or None
        self.sent.append(message)
        await trio.lowlevel.checkpoint()


async def run(app: App, scope: Scope = HTTP) -> tuple[list[Any], list[Any]]:
    """What an application sent, and what was logged."""
    stream = Stream()
    with capture_logs() as logs:
        await Exchange(scope, stream.send).run(app)
    return stream.sent, logs


async def test_an_answer_goes_through_and_its_end_is_told() -> None:
    sent, logs = await run(hello)
    assert [message and message["type"] for message in sent] == ["http.response.start", "http.response.body", None]
    assert logs == []


async def test_a_failing_application_is_answered_for_and_logged() -> None:
    async def app(_scope: Scope, _receive: ASGIReceiveCallable, _send: ASGISendCallable) -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError("the secret reason")

    sent, [line] = await run(app)
    start, body, end = sent
    assert start["status"] == 500
    assert dict(start["headers"])[b"content-length"] == b"%d" % len(body["body"])
    assert json.loads(body["body"])["error"]["code"] == "INTERNAL_ERROR"
    assert b"secret" not in body["body"]
    assert end is None
    assert (line["log_level"], line["request"]) == ("error", "GET /x")
    assert isinstance(line["exc_info"], ValueError)


async def test_a_failure_in_a_nursery_of_the_application_counts_as_one() -> None:
    async def fail(error: Exception) -> None:
        raise error

    async def app(_scope: Scope, _receive: ASGIReceiveCallable, _send: ASGISendCallable) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail, ValueError("a"))
            nursery.start_soon(fail, KeyError("b"))

    sent, [line] = await run(app)
    assert sent[0]["status"] == 500
    assert isinstance(line["exc_info"], ExceptionGroup)


async def test_a_failure_after_the_answer_began_only_ends_it() -> None:
    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError

    sent, [line] = await run(app)
    assert [message and message["type"] for message in sent] == ["http.response.start", None]
    assert line["log_level"] == "error"


async def test_no_answer_is_a_failure() -> None:
    async def app(_scope: Scope, _receive: ASGIReceiveCallable, _send: ASGISendCallable) -> None:
        await trio.lowlevel.checkpoint()

    sent, [line] = await run(app)
    assert sent[0]["status"] == 500
    assert line["event"] == "The application gave no answer."


async def test_no_answer_to_a_client_that_left_is_none() -> None:
    async def app(_scope: Scope, receive: ASGIReceiveCallable, _send: ASGISendCallable) -> None:
        await receive()

    stream = Stream()
    exchange = Exchange(HTTP, stream.send)
    await exchange.put(DISCONNECT)
    with capture_logs() as logs:
        await exchange.run(app)
    assert (stream.sent, logs) == ([None], [])


async def test_a_failing_websocket_is_left_to_hypercorn_which_closes_with_1011() -> None:
    async def app(_scope: Scope, _receive: ASGIReceiveCallable, _send: ASGISendCallable) -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError

    sent, [line] = await run(app, WEBSOCKET)
    assert sent == [None]
    assert line["request"] == "WebSocket /x"


async def test_a_cancelled_application_is_not_answered_for() -> None:
    async def app(_scope: Scope, _receive: ASGIReceiveCallable, _send: ASGISendCallable) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(fail_when_cancelled)

    async def fail_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            raise ValueError from cancelled

    stream = Stream()
    with trio.CancelScope() as scope, capture_logs() as logs:
        scope.cancel()
        await Exchange(HTTP, stream.send).run(app)
    assert len(logs) == 1
    assert scope.cancelled_caught
    assert stream.sent == []


async def test_messages_come_in_order_and_the_farewell_last_and_for_ever() -> None:
    exchange = Exchange(HTTP, Stream().send)
    await exchange.put(piece(1))
    await exchange.put(piece(2))
    await exchange.put(DISCONNECT)
    assert [await exchange.receive() for _ in range(4)] == [piece(1), piece(2), DISCONNECT, DISCONNECT]


async def test_a_client_waits_while_the_application_has_too_much_to_read() -> None:
    exchange = Exchange(HTTP, Stream().send)
    put: list[int] = []

    async def put_all() -> None:
        for number in range(MAX_WAITING_MESSAGES + 2):
            await exchange.put(piece(number))
            put.append(number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(put_all)
        await wait_all_tasks_blocked()
        assert len(put) == MAX_WAITING_MESSAGES
        assert [await exchange.receive() for _ in range(MAX_WAITING_MESSAGES + 2)] == [
            piece(number) for number in range(MAX_WAITING_MESSAGES + 2)
        ]


async def test_nobody_waits_for_an_application_whose_client_left() -> None:
    exchange = Exchange(HTTP, Stream().send)
    async with trio.open_nursery() as nursery:
        for number in range(MAX_WAITING_MESSAGES + 1):
            nursery.start_soon(exchange.put, piece(number))
        await wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 1
        await exchange.put(DISCONNECT)


async def test_an_application_that_asks_on_and_on_after_the_farewell_lets_others_run() -> None:
    async def app(_scope: Scope, receive: ASGIReceiveCallable, _send: ASGISendCallable) -> None:
        while True:
            await receive()

    exchange = Exchange(HTTP, Stream().send)
    exchange.disconnect()
    with trio.move_on_after(0.05) as scope:
        await exchange.run(app)
    assert scope.cancelled_caught


async def test_an_application_that_talks_on_to_nobody_lets_others_run() -> None:
    async def silent(_message: object) -> None:
        pass

    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        while True:
            await send({"type": "websocket.send", "bytes": None, "text": "x"})

    exchange = Exchange(WEBSOCKET, silent)
    exchange.disconnect()
    with trio.move_on_after(0.05) as scope:
        await exchange.run(app)
    assert scope.cancelled_caught


async def test_hypercorns_first_word_on_the_farewell_counts() -> None:
    exchange = Exchange(WEBSOCKET, Stream().send)
    await exchange.put({"type": "websocket.disconnect", "code": 1000})
    exchange.disconnect()
    assert await exchange.receive() == {"type": "websocket.disconnect", "code": 1000}


async def test_each_request_is_a_task_of_its_own_that_hears_of_the_disconnect() -> None:
    seen: list[Any] = []

    async def app(_scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        seen.append(await receive())
        await answer(send, b"")

    async with trio.open_nursery() as background, trio.open_nursery() as requests:
        exchanges = Exchanges(app, requests, background)
        unused = cast("AppWrapper", app)
        put = await exchanges.spawn_app(unused, Config(), HTTP, Stream().send)
        await exchanges.spawn_app(unused, Config(), WEBSOCKET, Stream().send)
        await put(piece(1))
        await wait_all_tasks_blocked()
        assert len(requests.child_tasks) == 1
        exchanges.disconnect()
    assert seen == [piece(1), {"type": "websocket.disconnect", "code": 1006}]


@pytest.mark.parametrize(
    ("scope", "is_offered"),
    [
        ({**HTTP, "http_version": "1.1"}, True),
        ({**HTTP, "http_version": "1.0"}, False),
        ({**WEBSOCKET, "http_version": "1.1"}, False),
    ],
)
async def test_a_body_in_chunks_may_be_sent_part_by_part(scope: dict[str, Any], is_offered: bool) -> None:
    async def send_part(_: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def app(scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        offered.append(part_sender(cast("HTTPScope", scope)))
        await answer(send, b"")

    offered: list[object] = []
    async with trio.open_nursery() as background, trio.open_nursery() as requests:
        exchanges = Exchanges(app, requests, background, send_part)
        asked = cast("Scope", {**scope, "extensions": {}})
        await exchanges.spawn_app(cast("AppWrapper", app), Config(), asked, Stream().send)
    assert offered == [send_part if is_offered else None]


async def test_a_request_that_is_over_is_forgotten() -> None:
    async with trio.open_nursery() as background, trio.open_nursery() as requests:
        exchanges = Exchanges(hello, requests, background)
        stream = Stream()
        over = weakref.ref(stream)
        await exchanges.spawn_app(cast("AppWrapper", hello), Config(), HTTP, stream.send)
        del stream
        await wait_all_tasks_blocked()
        gc.collect()
        assert over() is None


async def test_what_runs_beside_the_requests_is_not_one_of_them() -> None:
    async with trio.open_nursery() as background, trio.open_nursery() as requests:
        Exchanges(hello, requests, background).spawn(trio.sleep_forever)
        assert (len(requests.child_tasks), len(background.child_tasks)) == (0, 1)
        background.cancel_scope.cancel()
