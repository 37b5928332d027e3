"""A drain before the end of a process whose listening sockets outlive it: who comes is left to the next process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.wire import Served, hello, serving
from xopc.server.wire.serve import FIRST_CALL_SECONDS, LAST_CALL_SECONDS, Server

GET = "GET / HTTP/1.1\nHost: localhost\n\n"


@pytest.fixture
def clock() -> MockClock:
    """Jumps once nothing has happened for a moment: what is on its way over loopback arrives first."""
    return MockClock(autojump_threshold=0.01)


@asynccontextmanager
async def draining(served: Served) -> AsyncGenerator[None]:
    """A drain that has just begun. Leaving waits for its end."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(served.server.drain, accepts=False))
        await wait_all_tasks_blocked()
        yield


async def test_a_newcomer_is_left_to_the_next_process_from_the_first_moment_on(clock: MockClock) -> None:
    asked, go = trio.Event(), trio.Event()

    async def slow(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        asked.set()
        await go.wait()
        await hello(scope, receive, send)

    async with serving(slow) as served, await served.connect() as inside:
        await inside.say(GET)
        await asked.wait()
        async with draining(served), await served.connect() as newcomer:
            await newcomer.say(GET)
            await trio.sleep(3)
            assert served.server.connections == 1
            await served.nursery.start(Server(hello).run, [served.listener])
            assert (await newcomer.reply()).body == b"hello"
            go.set()
            reply = await inside.reply()
            assert (reply.body, reply.headers["connection"]) == (b"hello", "close")


async def test_who_is_connected_may_ask_once_more_and_an_idle_one_does_not_keep_newcomers_waiting(
    clock: MockClock,
) -> None:
    async with serving(hello) as served, await served.connect() as busy, await served.connect() as idle:
        await busy.get()
        await idle.get()
        began = trio.current_time()
        async with draining(served):
            reply = await busy.get()
            assert (reply.body, reply.headers["connection"]) == (b"hello", "close")
        assert trio.current_time() - began == pytest.approx(LAST_CALL_SECONDS, abs=0.01)
        assert await idle.rest() == b""


async def test_who_was_accepted_and_has_not_asked_yet_is_waited_for(clock: MockClock) -> None:
    async with serving(hello) as served, await served.connect() as late:
        await served.until_connections(1)
        async with draining(served):
            await trio.sleep(LAST_CALL_SECONDS + FIRST_CALL_SECONDS / 2)
            assert (await late.get()).body == b"hello"


async def test_a_drain_of_nothing_takes_no_time(clock: MockClock) -> None:
    async with serving(hello) as served:
        await served.server.drain(accepts=False)
        assert trio.current_time() == 0
