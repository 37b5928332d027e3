from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.asgi import ask
from tests.fakes.certificates import Authority
from tests.fakes.door import open_door, policy
from tests.fakes.generation import BEARER, Generation
from tests.fakes.wire import serving
from xopc.config.certificate import load_certificate
from xopc.config.tls import TlsFiles
from xopc.contracts.api.status import Health
from xopc.contracts.frames import Frame
from xopc.server.api.status import STATUS
from xopc.server.app import build_app
from xopc.server.routes import Call, Route
from xopc.server.sse import COMMENT, HEARTBEAT_SECONDS, SLACK_SECONDS, EventStream
from xopc.server.wire.front import Front
from xopc.server.wire.gate import Gate


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


REQUEST = b"GET /api/ticks HTTP/1.1\r\nHost: localhost\r\n" + b": ".join(BEARER) + b"\r\n\r\n"


@pytest.fixture
def front(gate: Gate, route: Route) -> Front:
    return Front(build_app(gate, open_door(), (route,)), open_door(), lambda: (200, b"{}"))


async def test_each_frame_is_on_the_wire_when_it_happens_and_the_connection_outlives_the_stream(
    front: Front, ticker: Ticker
) -> None:
    async with serving(front) as served, await served.connect() as wire:
        with trio.fail_after(5):
            await wire.say(REQUEST)
            head = await wire.until(b"\r\n\r\n")
            for number in range(3):
                await ticker.send.send([Frame("tick", {"n": number}), Frame("tock", {})])
                assert await wire.chunk() == b'event: tick\ndata: {"n":%d}\n\nevent: tock\ndata: {}\n\n' % number
            ticker.send.close()
            assert await wire.chunk() == b""
            assert (await wire.get("/health")).status == 200
    assert b"HTTP/1.1 200 " in head
    assert ticker.closed.is_set()


async def test_a_client_of_http_1_0_gets_its_frames_without_chunks(front: Front, ticker: Ticker) -> None:
    async with serving(front) as served, await served.connect() as wire:
        with trio.fail_after(5):
            await wire.say(REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0"))
            await ticker.send.send([Frame("tick", {})])
            ticker.send.close()
            _, _, body = (await wire.rest()).partition(b"\r\n\r\n")
    assert body == b"event: tick\ndata: {}\n\n"


async def test_a_stream_over_tls_is_the_same(front: Front, ticker: Ticker, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue()
    async with serving(front) as served:
        served.server.use_tls(load_certificate(TlsFiles(pair.certificate, pair.key), "xopc.json").context)
        with trio.fail_after(5):
            async with await served.connect_securely(authority.client()) as wire:
                await wire.say(REQUEST)
                await ticker.send.send([Frame("tick", {})])
                ticker.send.close()
                reply = await wire.reply()
    assert reply.body == b"event: tick\ndata: {}\n\n"


@pytest.fixture
def clock() -> MockClock:
    """Jumps once nothing has happened for a moment: what is on its way over loopback arrives first."""
    return MockClock(autojump_threshold=0.01)


async def test_on_the_wire_silence_is_broken_between_ten_and_fifteen_seconds(
    front: Front, ticker: Ticker, clock: MockClock
) -> None:
    async def speak() -> None:
        for _ in range(3):  # so many that the silence is put off
            await trio.sleep(HEARTBEAT_SECONDS - SLACK_SECONDS / 2)
            await ticker.send.send([Frame("tick", {})])

    async with serving(front) as served, await served.connect() as wire, trio.open_nursery() as nursery:
        await wire.say(REQUEST)
        await wire.until(b"\r\n\r\n")
        nursery.start_soon(speak)
        for _ in range(3):
            assert await wire.chunk() == b"event: tick\ndata: {}\n\n"
        before = trio.current_time()
        for _ in range(2):
            assert await wire.chunk() == b": here\n\n"
        assert 2 * (HEARTBEAT_SECONDS - SLACK_SECONDS) <= trio.current_time() - before <= 2 * HEARTBEAT_SECONDS + 1


async def test_on_the_wire_a_credential_that_is_taken_back_ends_its_stream(
    gate: Gate, route: Route, ticker: Ticker
) -> None:
    door = open_door()
    front = Front(build_app(gate, door, (route,)), door, lambda: (200, b"{}"))
    async with serving(front) as served, await served.connect() as wire:
        with trio.fail_after(5):
            await wire.say(REQUEST)
            await ticker.send.send([Frame("a", {})])
            await wire.until(b"\r\n\r\n")
            assert await wire.chunk() == b"event: a\ndata: {}\n\n"
            door.use(policy("the-next-invented-token"))
            await ticker.send.send([Frame("b", {})])
            assert await wire.chunk() == b""


async def test_a_client_that_stops_reading_is_cut_off_and_its_source_closed(front: Front, ticker: Ticker) -> None:
    async with serving(front, write_seconds=0.2) as served, await served.connect(receive_bytes=4096) as wire:
        with trio.fail_after(10):
            await wire.say(REQUEST)
            while not ticker.closed.is_set():
                await ticker.send.send([Frame("tick", {"text": "x" * 100_000})])
                await trio.sleep(0.001)
            await served.until_connections(0)
