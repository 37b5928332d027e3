"""Accepting and draining, over loopback. Where time matters it is that of a clock that jumps when nothing happens."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import pytest
import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.wire import Served, Wire, answer, backlog, hello, serving
from xopc.server.wire.serve import BACKLOG_SECONDS, FIRST_CALL_SECONDS, LAST_CALL_SECONDS, LINGER_SECONDS, Server

GET = "GET / HTTP/1.1\nHost: localhost\n\n"
RAW_GET = GET.replace("\n", "\r\n").encode()
WHOLE_LINGER_SECONDS = LINGER_SECONDS + LAST_CALL_SECONDS


@pytest.fixture
def clock() -> MockClock:
    """Jumps once nothing has happened for a moment: what is on its way over loopback arrives first."""
    return MockClock(autojump_threshold=0.01)


class Slow:
    """An application that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = trio.Event()
        self.go = trio.Event()

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self.asked.set()
        await self.go.wait()
        await hello(scope, receive, send)


class Stream:
    """An application that sends a head, and chunks as they come, until `chunks` is closed."""

    def __init__(self) -> None:
        self.chunks, self._source = trio.open_memory_channel[bytes](0)

    async def __call__(self, _scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async for chunk in self._source:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@asynccontextmanager
async def draining(served: Served) -> AsyncGenerator[trio.Event]:
    """A drain that has just begun; the event is set when it is done. Leaving waits for that."""
    done = trio.Event()

    async def drain() -> None:
        await served.server.drain()
        done.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain)
        await wait_all_tasks_blocked()
        yield done


# ----------------------------------------------------------------- accepting


async def test_every_socket_is_accepted_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        server = Server(hello)
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run, [one, other])
            for listener in (one, other):
                stream = await trio.open_tcp_stream(*listener.getsockname())
                async with Wire(stream) as client:
                    assert (await client.get()).body == b"hello"
            nursery.cancel_scope.cancel()


async def test_connections_are_counted(clock: MockClock) -> None:
    async with serving(hello) as served:
        assert served.server.connections == 0
        async with await served.connect() as client, await served.connect():
            await client.get()
            await served.until_connections(2)
        await served.until_connections(0)


async def test_the_sockets_stay_open_and_keep_their_backlog() -> None:
    async with serving(hello) as served:
        listener = served.listener.dup()
    with listener:
        # Whoever connects now waits for the next server.
        stream = await trio.open_tcp_stream(*listener.getsockname())
        assert backlog(listener) == 100
        server = Server(hello)
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run, [listener])
            async with Wire(stream) as client:
                assert (await client.get()).body == b"hello"
            nursery.cancel_scope.cancel()


async def test_two_servers_may_accept_on_one_socket() -> None:
    with capture_logs() as logs:
        async with serving(hello) as served:
            await served.nursery.start(Server(hello).run, [served.listener])
            for _ in range(20):
                async with await served.connect() as client:
                    assert (await client.get()).body == b"hello"
    assert logs == []


async def test_a_socket_that_does_not_listen_is_an_error() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        with pytest.RaisesGroup(OSError, flatten_subgroups=True):
            await Server(hello).run([mute])


async def test_a_full_table_of_descriptors_is_survived_and_logged_once(clock: MockClock) -> None:
    async with serving(hello) as served:
        client = socket.socket()
        with capture_logs() as logs, full_table():
            client.connect(("127.0.0.1", served.port))
            await trio.sleep(10)
            assert served.server.connections == 0
        assert [line["event"] for line in logs] == ["No connection can be accepted for now; trying again."]
        async with Wire(trio.SocketStream(trio.socket.from_stdlib_socket(client))) as wire:
            assert (await wire.get()).body == b"hello"


async def test_whoever_asks_for_nothing_gives_way_where_there_is_no_room(clock: MockClock) -> None:
    async with (
        serving(hello) as served,
        await served.connect() as used,
        await served.connect() as old,
    ):
        served.server.max_connections = 3
        await used.get()
        async with await served.connect() as young:
            await served.until_connections(3)
            with capture_logs() as logs:
                async with await served.connect() as newcomer, await served.connect() as another:
                    assert (await newcomer.get()).body == b"hello"
                    assert (await another.get()).body == b"hello"
                    assert await old.rest() == await young.rest() == b""
                    assert served.server.connections == 3
            assert [line["event"][:31] for line in logs] == ["There are too many connections;"]
            assert (await used.get()).body == b"hello"


async def test_where_all_are_served_there_is_no_room_for_a_newcomer(clock: MockClock) -> None:
    slow = Slow()
    async with serving(slow) as served, await served.connect() as busy:
        served.server.max_connections = 1
        await busy.say(GET)
        await slow.asked.wait()
        async with await served.connect() as newcomer:
            assert await newcomer.rest() == b""
        slow.go.set()
        assert (await busy.reply()).body == b"hello"
        async with await served.connect() as newcomer:
            assert (await newcomer.get()).body == b"hello"


def test_a_part_of_the_descriptors_is_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def rooms(soft: int) -> int:
        def limit(_: int) -> tuple[int, int]:
            return soft, soft

        monkeypatch.setattr(resource, "getrlimit", limit)
        return Server(hello).max_connections

    assert [rooms(soft) for soft in (64, 1024, 1_000_000, resource.RLIM_INFINITY)] == [32, 896, 2048, 2048]


@contextmanager
def full_table() -> Generator[None]:
    """No descriptor is left to this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    filler = [os.dup(0)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (filler[0] + 5, hard))
    try:
        while True:
            filler.append(os.dup(0))
    except OSError:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in filler:
            os.close(fd)


async def test_cancelling_cuts_connections_and_their_requests() -> None:
    cancelled = trio.Event()

    async def app(_scope: Scope, _receive: ASGIReceiveCallable, _send: ASGISendCallable) -> None:
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async with serving(app) as served:
        client = await served.connect()
        await client.say(GET)
        await wait_all_tasks_blocked(0.05)
    assert cancelled.is_set()
    assert served.server.connections == 0
    async with client:
        assert await client.rest() == b""


# ------------------------------------------------------------------- draining


async def test_a_drain_of_nothing_is_over_at_once(clock: MockClock) -> None:
    async with serving(hello) as served:
        await served.server.drain()
        assert trio.current_time() == BACKLOG_SECONDS


async def test_a_drain_lets_a_request_in_flight_finish_and_says_close(clock: MockClock) -> None:
    app = Slow()
    async with serving(app) as served, await served.connect() as client:
        await client.say(GET)
        await app.asked.wait()
        async with draining(served) as done:
            await trio.sleep(4)
            assert not done.is_set()
            app.go.set()
            reply = await client.reply()
            assert (reply.body, reply.headers["connection"]) == (b"hello", "close")
            assert await client.rest() == b""
        assert 4 <= trio.current_time() < 4.5


async def test_a_drain_closes_idle_connections_within_a_second(clock: MockClock) -> None:
    async with serving(hello) as served, await served.connect() as used:
        await used.get()
        began = trio.current_time()
        await served.server.drain()
        assert trio.current_time() - began == pytest.approx(WHOLE_LINGER_SECONDS, abs=0.01)
        assert await used.rest() == b""


async def test_a_drain_waits_a_second_more_for_whoever_has_not_asked_yet(clock: MockClock) -> None:
    async with serving(hello) as served, await served.connect() as silent, await served.connect() as slow:
        await served.until_connections(2)
        began = trio.current_time()
        async with draining(served):
            await trio.sleep(WHOLE_LINGER_SECONDS + FIRST_CALL_SECONDS / 2)
            reply = await slow.get()
            assert (reply.body, reply.headers["connection"]) == (b"hello", "close")
        assert trio.current_time() - began == pytest.approx(WHOLE_LINGER_SECONDS + FIRST_CALL_SECONDS, abs=0.01)
        assert await silent.rest() == b""


async def test_an_idle_connection_may_still_ask_while_a_drain_lingers(clock: MockClock) -> None:
    async with serving(hello) as served, await served.connect() as client:
        await client.get()
        async with draining(served):
            await trio.sleep(LINGER_SECONDS / 2)
            reply = await client.get()
            assert (reply.body, reply.headers["connection"]) == (b"hello", "close")
            assert await client.rest() == b""


@pytest.mark.parametrize("accepted", [True, False])
async def test_a_request_that_nobody_has_read_yet_is_answered(clock: MockClock, accepted: bool) -> None:
    async with serving(hello) as served:
        client = socket.create_connection(("127.0.0.1", served.port), timeout=5)
        if accepted:
            await served.until_connections(1)
        client.send(RAW_GET)
        await served.server.drain()
        with client:
            assert client.recv(10_000).endswith(b"hello")
            assert client.recv(1) == b""


async def test_the_last_who_was_accepted_has_time_to_ask(clock: MockClock) -> None:
    async with serving(hello) as served, await served.connect() as idle:
        await idle.get()
        async with draining(served) as done:
            await trio.sleep(LINGER_SECONDS - 0.01)
            async with await served.connect() as client:
                await trio.sleep(0.1)
                assert not done.is_set()
                assert (await client.get()).body == b"hello"


async def test_a_request_that_is_arriving_when_the_linger_ends_is_answered(clock: MockClock) -> None:
    async with serving(hello) as served, await served.connect() as client:
        await client.say("GET / HTTP/1.1\n")
        await served.until_connections(1)
        async with draining(served):
            await trio.sleep(WHOLE_LINGER_SECONDS + 1)
            await client.say("Host: localhost\n\n")
            assert (await client.reply()).headers["connection"] == "close"


async def test_after_the_linger_whoever_connects_waits_for_the_next_server(clock: MockClock) -> None:
    app = Slow()
    async with serving(app) as served, await served.connect() as client:
        await client.say(GET)
        await app.asked.wait()
        async with draining(served):
            await trio.sleep(WHOLE_LINGER_SECONDS + 0.1)
            async with await served.connect() as late:
                await late.say(GET)
                await trio.sleep(1)
                assert served.server.connections == 1
                await served.nursery.start(Server(hello).run, [served.listener])
                assert (await late.reply()).body == b"hello"
            app.go.set()


async def test_a_response_that_began_before_the_drain_ends_its_connection_too(clock: MockClock) -> None:
    app = Stream()
    async with serving(app) as served, await served.connect() as client:
        await client.say(GET)
        await app.chunks.send(b"one")
        async with draining(served) as done:
            await trio.sleep(3)
            assert not done.is_set()
            await app.chunks.send(b"two")
            app.chunks.close()
            reply = await client.reply()
            assert reply.body == b"onetwo"
            assert "connection" not in reply.headers
            assert await client.rest() == b""
        assert trio.current_time() < 3.5


async def test_a_client_that_stops_reading_does_not_hold_a_drain_up(clock: MockClock) -> None:
    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await answer(send, b"x" * 16_000_000)

    with capture_logs():
        async with serving(app, write_seconds=3) as served, await served.connect(receive_bytes=4096) as client:
            await client.say(GET)
            await served.until_connections(1)
            await served.server.drain()
            assert trio.current_time() < 4


async def test_an_upload_that_nobody_wants_does_not_hold_a_drain_up(clock: MockClock) -> None:
    async with serving(hello) as served, await served.connect() as client:
        await client.say("POST / HTTP/1.1\nHost: localhost\nContent-Length: 1000\n\n")
        assert (await client.reply()).body == b"hello"
        began = trio.current_time()
        await served.server.drain()
        assert trio.current_time() - began <= WHOLE_LINGER_SECONDS + 0.01


async def test_an_upload_that_is_refused_late_in_a_drain_lingers_only_shortly(clock: MockClock) -> None:
    app = Slow()
    async with serving(app) as served, await served.connect() as client:
        await client.say("POST / HTTP/1.1\nHost: localhost\nContent-Length: 1000\n\n")
        await app.asked.wait()
        async with draining(served):
            await trio.sleep(2)
            app.go.set()
            assert (await client.reply()).body == b"hello"
        assert trio.current_time() <= 4.1


async def test_requests_behind_the_last_answer_do_not_destroy_it(clock: MockClock) -> None:
    app = Slow()
    async with serving(app) as served, await served.connect() as client:
        await client.say(GET * 3)
        await app.asked.wait()
        async with draining(served):
            app.go.set()
            reply = await client.reply()
            assert (reply.body, reply.headers["connection"]) == (b"hello", "close")
            assert await client.rest() == b""


async def test_draining_twice_is_draining_once(clock: MockClock) -> None:
    async with serving(hello) as served, await served.connect() as client:
        await client.get()
        async with draining(served):
            await served.server.drain()
        assert served.server.connections == 0
