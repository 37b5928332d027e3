from __future__ import annotations

import json
import math
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.asgi import ask
from tests.fakes.door import open_door, policy
from tests.fakes.generation import BEARER, Generation
from xopc.contracts.api import Health
from xopc.contracts.events import Token
from xopc.contracts.transcript import Usage
from xopc.server.api.status import STATUS
from xopc.server.app import build_app
from xopc.server.front import Front
from xopc.server.gate import Gate
from xopc.server.routes import Call, Route
from xopc.server.serve import Server
from xopc.server.sse import COMMENT, HEARTBEAT_SECONDS, EventStream, Frame


@define
class Ticker:
    """A source that gives what a test sends, one sending at a time, and knows whether it is open."""

    send: trio.MemorySendChannel[Sequence[Frame]] = field(init=False)
    is_open: bool = False
    closed: trio.Event = field(factory=trio.Event)
    _receive: trio.MemoryReceiveChannel[Sequence[Frame]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.send, self._receive = trio.open_memory_channel[Sequence[Frame]](math.inf)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Ticker]:
        self.is_open = True
        try:
            yield self
        finally:
            self.is_open = False
            self.closed.set()

    async def receive(self) -> Sequence[Frame]:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            return ()


@pytest.fixture
def ticker() -> Ticker:
    return Ticker()


@pytest.fixture
def route(ticker: Ticker) -> Route:
    async def handler(_: Call[None]) -> EventStream:
        return EventStream(ticker.open, heartbeat=b": here\n\n")

    return attrs.evolve(STATUS, path="/api/ticks", handler=handler, response=None, frames=(Health,))


# frames


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (Frame("a", {}), "event: a\ndata: {}\n\n"),
        (Frame("a", {"n": 1}, "7"), 'id: 7\nevent: a\ndata: {"n":1}\n\n'),
        (Frame("a", Token("你好")), 'event: a\ndata: {"content":"你好","reset":false,"type":"token"}\n\n'),
        (Frame("a", {"usage": Usage(1, 2)}), 'event: a\ndata: {"usage":{"input":1,"output":2}}\n\n'),
        (Frame("a", {"text": "a\nb\r\u2028"}), 'event: a\ndata: {"text":"a\\nb\\r\u2028"}\n\n'),
        (Frame("a", {"half": "\ud83d"}), 'event: a\ndata: {"half":"\\ud83d"}\n\n'),
    ],
)
def test_a_frame_has_its_data_in_one_line(frame: Frame, text: str) -> None:
    assert frame.encode().decode() == text


@pytest.mark.parametrize("odd", [{1, 2}, object(), math.nan, math.inf, b"bytes"])
def test_data_that_json_cannot_carry_becomes_an_error_of_its_own(odd: object) -> None:
    text = Frame("tool_start", {"args": {"odd": odd}}, "3").encode().decode()
    number, event, data = text.strip().split("\n")
    assert (number, event) == ("id: 3", "event: tool_start")
    told = json.loads(data.removeprefix("data: "))
    assert told["type"] == "tool_start"
    assert told["error"] == "sse_payload_serialize_failed"
    assert told["message"]


def test_data_that_holds_itself_is_such_an_error_too() -> None:
    circle: dict[str, object] = {}
    circle["self"] = circle
    assert b"sse_payload_serialize_failed" in Frame("a", circle).encode()


# responses


async def test_a_stream_lasts_until_its_source_has_no_more(gate: Gate, route: Route, ticker: Ticker) -> None:
    ticker.send.send_nowait([Frame("a", {}, "1"), Frame("b", {}, "2")])
    ticker.send.send_nowait([Frame("c", {}, "3")])
    ticker.send.close()
    answer = await ask(build_app(gate, open_door(), (route,)), "GET", "/api/ticks", [BEARER])
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "content-length" not in answer.headers
    assert [part.split(b"\n")[0] for part in answer.body.split(b"\n\n")] == [b"id: 1", b"id: 2", b"id: 3", b""]
    assert ticker.closed.is_set()


async def test_silence_is_broken_every_fifteen_seconds(
    gate: Gate, route: Route, ticker: Ticker, autojump_clock: MockClock
) -> None:
    async def end() -> None:
        await trio.sleep(HEARTBEAT_SECONDS * 2.5)
        ticker.send.send_nowait([Frame("a", {})])
        ticker.send.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(end)
        answer = await ask(build_app(gate, open_door(), (route,)), "GET", "/api/ticks", [BEARER])
    assert answer.body == b": here\n\n: here\n\nevent: a\ndata: {}\n\n"
    assert COMMENT == b": ping\n\n"


async def test_a_credential_that_is_taken_back_ends_its_stream_before_the_next_event(
    gate: Gate, route: Route, ticker: Ticker
) -> None:
    door = open_door()

    async def go_on() -> None:
        ticker.send.send_nowait([Frame("a", {})])
        await wait_all_tasks_blocked()
        door.use(policy("the-next-invented-token"))
        ticker.send.send_nowait([Frame("b", {})])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(go_on)
        answer = await ask(build_app(gate, door, (route,)), "GET", "/api/ticks", [BEARER])
    assert answer.body == b"event: a\ndata: {}\n\n"
    assert ticker.closed.is_set()


async def test_a_credential_that_is_taken_back_ends_its_stream_in_silence_too(
    gate: Gate, route: Route, ticker: Ticker, autojump_clock: MockClock
) -> None:
    door = open_door()

    async def take_back() -> None:
        await trio.sleep(HEARTBEAT_SECONDS * 1.5)
        door.use(policy("the-next-invented-token"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_back)
        answer = await ask(build_app(gate, door, (route,)), "GET", "/api/ticks", [BEARER])
    assert answer.body == b": here\n\n"


async def test_a_client_that_goes_away_closes_its_source(gate: Gate, route: Route, ticker: Ticker) -> None:
    ticker.send.send_nowait([Frame("a", {})])
    answer = await ask(build_app(gate, open_door(), (route,)), "GET", "/api/ticks", [BEARER], disconnect=True)
    assert answer.body == b"event: a\ndata: {}\n\n"
    assert ticker.closed.is_set()
    assert gate.inside == 0


async def test_head_opens_nothing(gate: Gate, route: Route, ticker: Ticker) -> None:
    answer = await ask(build_app(gate, open_door(), (route,)), "HEAD", "/api/ticks", [BEARER])
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
    assert not ticker.closed.is_set()


async def test_a_stream_does_not_hold_a_restart_up(gate: Gate, route: Route, ticker: Ticker) -> None:
    app = build_app(gate, open_door(), (route,))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, app, "GET", "/api/ticks", [BEARER])
        await wait_all_tasks_blocked()
        assert ticker.is_open
        gate.close()
        with trio.fail_after(1):
            await gate.idle()
        gate.evict()
        gate.open(Generation(2).services())
        await wait_all_tasks_blocked()
        assert ticker.is_open
        ticker.send.close()


# network


async def test_each_frame_is_on_the_wire_when_it_happens(gate: Gate, route: Route, ticker: Ticker) -> None:
    server = Server(Front(build_app(gate, open_door(), (route,)), open_door(), lambda: (200, b"{}")))
    request = b"GET /api/ticks HTTP/1.1\r\nHost: localhost\r\n" + BEARER[0] + b": " + BEARER[1] + b"\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener, trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run, [listener])
            async with await trio.open_tcp_stream(*listener.getsockname()[:2]) as stream:
                await stream.send_all(request)
                received = b""
                for number in range(3):
                    ticker.send.send_nowait([Frame("tick", {"n": number})])
                    while b'{"n":%d}' % number not in received:
                        received += await stream.receive_some()
            await ticker.closed.wait()
            assert server.connections <= 1
            nursery.cancel_scope.cancel()
    assert received.startswith(b"HTTP/1.1 200 ")
