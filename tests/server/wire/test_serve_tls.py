"""How connections of TLS begin, and are parted from, on loopback, with a clock that jumps when nothing else happens."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import field, frozen
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.certificates import Authority, Pair
from tests.fakes.wire import SecureWire, Served, Wire, answer, hello, secure, serving
from xopc.config.certificate import load_certificate
from xopc.config.tls import TlsFiles
from xopc.server.wire.serve import FIRST_CALL_SECONDS, LAST_CALL_SECONDS, LINGER_SECONDS


@pytest.fixture
def clock() -> MockClock:
    """Jumps once nothing has happened for a moment: what is on its way over loopback arrives first."""
    return MockClock(autojump_threshold=0.01)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def ours(authority: Authority) -> ssl.SSLContext:
    return context_of(authority.issue())


def context_of(pair: Pair) -> ssl.SSLContext:
    return load_certificate(TlsFiles(pair.certificate, pair.key), "xopc.json").context


@pytest.fixture
def theirs(authority: Authority) -> ssl.SSLContext:
    return authority.client()


class Slow:
    """An application that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = trio.Event()
        self.go = trio.Event()

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self.asked.set()
        await self.go.wait()
        await hello(scope, receive, send)


@frozen
class Heir:
    """Another process, which takes what it is given."""

    given: list[socket.socket] = field(factory=list[socket.socket])

    def take(self, client: socket.socket) -> bool:
        self.given.append(client.dup())
        return True


@asynccontextmanager
async def handing_over(served: Served, heir: Heir) -> AsyncGenerator[None]:
    """A hand-over that has just begun. Leaving waits for its end."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(served.server.drain, heir.take)
        await wait_all_tasks_blocked(0.001)
        yield


async def accepted(served: Served) -> Wire:
    """A connection that the server has accepted, and that says nothing yet."""
    wire = await served.connect()
    await wait_all_tasks_blocked(0.005)
    return wire


async def scheme(scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    assert scope["type"] == "http"
    await answer(send, scope["scheme"].encode())


async def test_another_certificate_is_for_newcomers_and_whoever_is_there_goes_on(
    authority: Authority, theirs: ssl.SSLContext, ours: ssl.SSLContext
) -> None:
    async with serving(scheme) as served, await served.connect() as plain:
        assert (await plain.get()).body == b"http"
        served.server.use_tls(ours)
        async with await served.connect_securely(theirs) as first:
            served.server.use_tls(context_of(authority.issue("another")))
            async with await served.connect_securely(theirs) as second:
                assert (await second.get()).body == b"https"
                assert serial(first) != serial(second)
            served.server.use_tls(None)
            assert (await first.get()).body == b"https"
            async with await served.connect() as newcomer:
                assert (await newcomer.get()).body == b"http"
        assert (await plain.get()).body == b"http"


def serial(wire: SecureWire) -> object:
    return wire.tls.getpeercert()["serialNumber"]


async def test_a_used_connection_is_not_passed_on_and_its_next_answer_is_its_last(
    ours: ssl.SSLContext, theirs: ssl.SSLContext, clock: MockClock
) -> None:
    heir = Heir()
    async with serving(hello) as served:
        served.server.use_tls(ours)
        async with await served.connect_securely(theirs) as client:
            await client.get()
            async with handing_over(served, heir):
                reply = await client.get()
                assert (reply.body, reply.headers["connection"]) == (b"hello", "close")
                assert await client.rest() == b""
            assert trio.current_time() < LAST_CALL_SECONDS
    assert heir.given == []


async def test_one_that_does_not_ask_holds_a_hand_over_up_for_a_moment(
    ours: ssl.SSLContext, theirs: ssl.SSLContext, clock: MockClock
) -> None:
    async with serving(hello) as served:
        served.server.use_tls(ours)
        async with await served.connect_securely(theirs) as client:
            await client.get()
            async with handing_over(served, Heir()):
                assert await client.rest() == b"", "a farewell, no reset"
            assert trio.current_time() == pytest.approx(LAST_CALL_SECONDS, abs=0.1)


async def test_one_whose_handshake_is_on_its_way_is_answered(
    ours: ssl.SSLContext, theirs: ssl.SSLContext, clock: MockClock
) -> None:
    async with serving(hello) as served:
        served.server.use_tls(ours)
        wire = await accepted(served)
        async with handing_over(served, Heir()):
            await trio.sleep(LAST_CALL_SECONDS + FIRST_CALL_SECONDS / 2)
            async with await secure(wire, theirs) as client:
                assert (await client.get()).headers["connection"] == "close"


async def test_one_that_never_asks_is_waited_for_a_second(ours: ssl.SSLContext, clock: MockClock) -> None:
    async with serving(hello) as served:
        served.server.use_tls(ours)
        async with await accepted(served) as client:
            async with handing_over(served, Heir()):
                assert await client.rest() == b""
            assert trio.current_time() == pytest.approx(LAST_CALL_SECONDS + FIRST_CALL_SECONDS, abs=0.1)


async def test_a_request_in_flight_is_answered_however_long_it_takes(
    ours: ssl.SSLContext, theirs: ssl.SSLContext, clock: MockClock
) -> None:
    app = Slow()
    async with serving(app) as served:
        served.server.use_tls(ours)
        async with await served.connect_securely(theirs) as client:
            await client.say("GET / HTTP/1.1\nHost: localhost\n\n")
            await app.asked.wait()
            async with handing_over(served, Heir()):
                await trio.sleep(10)
                app.go.set()
                reply = await client.reply()
                assert (reply.body, reply.headers["connection"]) == (b"hello", "close")
                assert await client.rest() == b""


async def test_plain_ones_beside_it_are_passed_on_as_ever(
    ours: ssl.SSLContext, theirs: ssl.SSLContext, clock: MockClock
) -> None:
    heir = Heir()
    async with serving(hello) as served, serving(hello) as successor, await served.connect() as plain:
        await plain.get()
        served.server.use_tls(ours)
        successor.server.use_tls(ours)
        async with await served.connect_securely(theirs) as client:
            await client.get()
            async with handing_over(served, heir):
                assert await client.rest() == b""
        (passed,) = heir.given
        successor.server.adopt(passed)
        assert (await plain.get()).body == b"hello", "it is plain at the successor, too"


async def test_a_drain_without_an_heir_parts_as_from_plain_ones(
    ours: ssl.SSLContext, theirs: ssl.SSLContext, clock: MockClock
) -> None:
    async with serving(hello) as served:
        served.server.use_tls(ours)
        async with await served.connect_securely(theirs) as one, await served.connect_securely(theirs) as other:
            await one.get()
            await other.get()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(served.server.drain)
                await trio.sleep(LINGER_SECONDS / 2)
                assert (await one.get()).headers["connection"] == "close"
                assert await other.rest() == b""
            assert trio.current_time() == pytest.approx(LINGER_SECONDS + LAST_CALL_SECONDS, abs=0.1)
