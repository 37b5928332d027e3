"""One server ends and another takes its clients over, through a real heirloom. Nobody may notice."""

from __future__ import annotations

import resource
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import pytest
import trio
from attrs import frozen
from hypercorn.typing import ASGIFramework as ASGIApp, ASGIReceiveCallable, ASGISendCallable, Scope
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from tests.fakes.wire import Wire, answer, connect, hello, serving
from xopc.gateway.heirloom import Heirloom, receive_connections
from xopc.server.wire.connection import RETIRED_LINGER_SECONDS
from xopc.server.wire.serve import FIRST_CALL_SECONDS, LAST_CALL_SECONDS, LINGER_SECONDS, TICK_SECONDS, Server

GET = "GET / HTTP/1.1\nHost: localhost\n\n"
RETIRED_SECONDS = LINGER_SECONDS + LAST_CALL_SECONDS
"""When a drain closes connections that were used and are idle."""


@pytest.fixture
def clock() -> MockClock:
    """Jumps once nothing has happened for a moment: what is on its way over loopback arrives first."""
    return MockClock(autojump_threshold=0.01)


@frozen
class Relay:
    """Two servers for one address; the second starts when the first has ended."""

    listener: socket.socket
    old: Server
    new: Server
    life: trio.Nursery
    old_life: trio.CancelScope
    heirloom: Heirloom
    receiving_fd: int

    async def connect(self) -> Wire:
        """A connection that the first one has accepted, if it still accepts."""
        client = await connect(self.listener.getsockname()[1])
        await wait_all_tasks_blocked(0.001)
        return client

    async def hand_over(self) -> None:
        """As a respawn: drain, end, serve again. Returns when the second server has what the first gave."""
        await self.old.drain(self.heirloom.give)
        self.heirloom.close()
        self.old_life.cancel()
        await self.life.start(self.new.run, [self.listener])
        await receive_connections(self.receiving_fd, self.new.adopt)

    @asynccontextmanager
    async def handing_over(self) -> AsyncGenerator[None]:
        """A hand-over that has just begun. Leaving waits for its end."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.hand_over)
            await wait_all_tasks_blocked(0.001)
            yield


@asynccontextmanager
async def relay(first: ASGIApp, **patience: float) -> AsyncGenerator[Relay]:
    """`first`, and after it an application that answers `second`."""
    giving, receiving = socket.socketpair()
    heirloom = Heirloom(giving.detach())
    old, new = Server(first, **patience), Server(second, **patience)
    old_life = trio.CancelScope()

    async def run_old(*, task_status: trio.TaskStatus[None]) -> None:
        with old_life:
            await old.run([listener], task_status=task_status)

    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        async with trio.open_nursery() as life:
            await life.start(run_old)
            yield Relay(listener, old, new, life, old_life, heirloom, receiving.detach())
            life.cancel_scope.cancel()
    heirloom.close()


async def second(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    await answer(send, b"second")


class Slow:
    """Reads what is asked, and answers `first` when told to, and from then on at once."""

    def __init__(self, *, reads: bool = True) -> None:
        self._reads = reads
        self.asked = trio.Event()
        self.go = trio.Event()

    async def __call__(self, _scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self.asked.set()
        while self._reads:
            message = await receive()
            if message["type"] != "http.request" or not message["more_body"]:
                break
        await self.go.wait()
        await answer(send, b"first")


async def first(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    await answer(send, b"first")


def decline(_client: socket.socket) -> bool:
    """An heir that is gone."""
    return False


# ------------------------------------------------------------- who is passed on


async def test_idle_connections_go_on_at_the_successor() -> None:
    async with relay(first) as both, await both.connect() as used, await both.connect() as unused:
        assert (await used.get()).body == b"first"
        await both.hand_over()
        for client in (used, unused):
            reply = await client.get()
            assert (reply.body, "connection" in reply.headers) == (b"second", False)
        assert (both.old.connections, both.new.connections) == (0, 2)


async def test_five_hundred_idle_connections_go_on() -> None:
    with many_descriptors():
        async with relay(first) as both, AsyncExitStack() as open_clients:
            clients = [await open_clients.enter_async_context(await both.connect()) for _ in range(500)]
            await clients[0].get()
            await both.hand_over()
            assert both.new.connections == 500
            for client in clients:
                assert (await client.get()).body == b"second"


@contextmanager
def many_descriptors() -> Generator[None]:
    """Both ends of 500 connections, and both servers' copies, in one process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_request_in_flight_is_answered_and_its_connection_goes_on() -> None:
    app = Slow()
    async with relay(app) as both, await both.connect() as client:
        await client.say(GET)
        await app.asked.wait()
        async with both.handing_over():
            app.go.set()
            reply = await client.reply()
            assert (reply.body, "connection" in reply.headers) == (b"first", False)
        assert (await client.get()).body == b"second"


async def test_a_request_that_waits_to_be_read_goes_with_its_connection() -> None:
    async with relay(first) as both, await both.connect() as client:
        await client.get()
        async with both.handing_over():
            await client.say(GET)
            assert (await client.reply()).body == b"second"
        assert (await client.get()).body == b"second"


async def test_requests_that_came_together_are_all_answered_by_whoever_read_them() -> None:
    app = Slow()
    async with relay(app) as both, await both.connect() as client:
        await client.say(GET * 3)
        await app.asked.wait()
        async with both.handing_over():
            app.go.set()
            for _ in range(3):
                reply = await client.reply()
                assert (reply.body, "connection" in reply.headers) == (b"first", False)
        assert (await client.get()).body == b"second"


async def test_half_a_head_behind_a_request_is_waited_for() -> None:
    app = Slow()
    async with relay(app) as both, await both.connect() as client:
        await client.say(GET + GET[:9])
        await app.asked.wait()
        async with both.handing_over():
            app.go.set()
            assert (await client.reply()).body == b"first"
            await wait_all_tasks_blocked(0.01)
            assert both.old.connections == 1
            await client.say(GET[9:])
            assert (await client.reply()).body == b"first"
        assert (await client.get()).body == b"second"


@pytest.mark.parametrize("is_used", [True, False])
async def test_the_rest_of_a_head_is_waited_for(is_used: bool) -> None:
    async with relay(first) as both, await both.connect() as client:
        if is_used:
            await client.get()
        await client.say("GET / HTTP/1.1\n")
        await wait_all_tasks_blocked(0.01)
        async with both.handing_over():
            await client.say("Host: localhost\n\n")
            assert (await client.reply()).body == b"first"
        assert (await client.get()).body == b"second"


async def test_the_rest_of_a_body_is_waited_for() -> None:
    app = Slow()
    app.go.set()
    async with relay(app) as both, await both.connect() as client:
        await client.say("POST / HTTP/1.1\nHost: localhost\nContent-Length: 8\n\nhalf")
        await app.asked.wait()
        async with both.handing_over():
            await client.say("half")
            assert (await client.reply()).body == b"first"
        assert (await client.get()).body == b"second"


async def test_a_stream_ends_with_its_application_and_its_connection_goes_on() -> None:
    chunks, source = trio.open_memory_channel[bytes](0)

    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async for chunk in source:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async with relay(app) as both, await both.connect() as client:
        await client.say(GET)
        await chunks.send(b"data: 1\n\n")
        async with both.handing_over():
            await chunks.send(b"data: 2\n\n")
            chunks.close()
            assert (await client.reply()).body == b"data: 1\n\ndata: 2\n\n"
        assert (await client.get()).body == b"second"


async def test_an_application_that_is_busy_after_its_answer_keeps_nothing_of_the_connection() -> None:
    """The end of a connection is seen only when the last copy of its descriptor is closed."""
    busy = trio.Event()

    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await answer(send, b"first")
        await busy.wait()

    taken: list[socket.socket] = []

    def take(client: socket.socket) -> bool:
        taken.append(client.dup())
        return True

    async with serving(app) as served, await served.connect() as client, trio.open_nursery() as nursery:
        assert (await client.get()).body == b"first"
        for _ in range(2):
            nursery.start_soon(served.server.drain, take)
            await wait_all_tasks_blocked(0.01)
        assert served.server.connections == 1
        assert len(taken) == 1
        taken.pop().close()
        assert await client.rest() == b""
        busy.set()


async def test_two_hundred_clients_notice_nothing() -> None:
    """Each on a connection that it never opens again, asking all the time, as slowly and oddly as clients do."""
    requests = (
        GET,
        "POST / HTTP/1.1\nHost: localhost\nContent-Length: 4\n\nbody",
        "GET /slow HTTP/1.1\nHost: localhost\n\n",
        GET * 2,
    )
    is_over = trio.Event()
    answered = 0

    async def app(scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http" and scope["path"] == "/slow":
            await trio.sleep(0.5)
        await answer(send, b"first")

    async def ask(client: Wire, number: int) -> None:
        nonlocal answered
        request = requests[number % len(requests)]
        bodies = [b"first"]
        while not is_over.is_set() or bodies[-1] == b"first":
            if number % 3:
                await client.say(request)
            else:
                await client.say(request[:10])
                await trio.sleep(0.01)
                await client.say(request[10:])
            for _ in range(request.count("HTTP/1.1")):
                reply = await client.reply()
                assert reply.status == 200
                assert "connection" not in reply.headers
                bodies.append(reply.body)
            await trio.sleep(0.01 * (number % 7))
        assert bodies == sorted(bodies)
        answered += 1

    with many_descriptors():
        async with relay(app) as both, AsyncExitStack() as open_clients:
            clients = [await open_clients.enter_async_context(await both.connect()) for _ in range(200)]
            async with trio.open_nursery() as nursery:
                for number, client in enumerate(clients):
                    nursery.start_soon(ask, client, number)
                await trio.sleep(0.3)
                await both.hand_over()
                await trio.sleep(0.2)
                is_over.set()
            assert answered == 200


# ----------------------------------------------------------- who is not passed on


async def test_whoever_connects_waits_for_the_successor() -> None:
    app = Slow()
    async with relay(app) as both, await both.connect() as client:
        await client.say(GET)
        await app.asked.wait()
        async with both.handing_over(), await both.connect() as late:
            await late.say(GET)
            await wait_all_tasks_blocked(0.01)
            assert both.old.connections == 1
            app.go.set()
            assert (await late.reply()).body == b"second"


async def test_a_websocket_stays_until_its_application_ends_it() -> None:
    leave = trio.Event()

    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        await leave.wait()
        await send({"type": "websocket.send", "bytes": None, "text": "shutdown"})
        await send({"type": "websocket.close", "code": 1012, "reason": "shutdown"})

    async with relay(app) as both, await both.connect() as client, trio.open_nursery() as nursery:
        websocket: WebSocketConnection = await wrap_client_stream(nursery, client.stream, "localhost", "/")
        async with both.handing_over():
            assert both.old.connections == 1
            leave.set()
            assert await websocket.get_message() == "shutdown"
            with pytest.raises(ConnectionClosed) as closed:
                await websocket.get_message()
            assert closed.value.reason is not None
            assert closed.value.reason.code == 1012
            await client.stream.aclose()
        assert both.new.connections == 0


async def test_a_client_that_asks_for_the_end_gets_it() -> None:
    app = Slow()
    async with relay(app) as both, await both.connect() as client:
        await client.say("GET / HTTP/1.1\nHost: localhost\nConnection: close\n\n")
        await app.asked.wait()
        async with both.handing_over():
            app.go.set()
            assert (await client.reply()).headers["connection"] == "close"
            assert await client.rest() == b""


async def test_a_client_that_stops_reading_does_not_hold_a_hand_over_up(clock: MockClock) -> None:
    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await answer(send, b"x" * 16_000_000)

    taken: list[socket.socket] = []

    def take(client: socket.socket) -> bool:
        taken.append(client.dup())
        return True

    with capture_logs():
        async with serving(app, write_seconds=3) as served, await served.connect(receive_bytes=4096) as client:
            await client.say(GET)
            await served.until_connections(1)
            await served.server.drain(take)
            assert trio.current_time() < 4
    assert taken == []


@pytest.mark.parametrize("is_answered_before", [True, False])
async def test_an_upload_that_nobody_wants_does_not_hold_a_hand_over_up(
    clock: MockClock, is_answered_before: bool
) -> None:
    app = Slow(reads=False)
    async with serving(app) as served, await served.connect() as client:
        await client.say("POST / HTTP/1.1\nHost: localhost\nContent-Length: 1000\n\n")
        await app.asked.wait()
        if is_answered_before:
            app.go.set()
            assert (await client.reply()).body == b"first"
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(served.server.drain, decline)
            await wait_all_tasks_blocked()
            app.go.set()
        assert trio.current_time() - began <= RETIRED_LINGER_SECONDS + TICK_SECONDS + 0.05


# ------------------------------------------------------------ an heir that declines


async def test_without_room_at_the_successor_clients_get_an_answer_and_a_clean_close(clock: MockClock) -> None:
    with capture_logs() as logs:
        async with serving(hello) as served, await served.connect() as client, await served.connect() as idle:
            await client.get()
            await idle.get()
            began = trio.current_time()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(served.server.drain, decline)
                await trio.sleep(LINGER_SECONDS / 2)
                reply = await client.get()
                assert (reply.body, reply.headers["connection"]) == (b"hello", "close")
                assert await client.rest() == b""
                assert await idle.rest() == b""
            assert trio.current_time() - began == pytest.approx(RETIRED_SECONDS, abs=0.01)
    assert [line["log_level"] for line in logs] == ["warning"]


async def test_without_room_a_first_request_on_its_way_is_waited_for(clock: MockClock) -> None:
    with capture_logs():
        async with serving(hello) as served, await served.connect() as slow:
            await served.until_connections(1)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(served.server.drain, decline)
                await trio.sleep(RETIRED_SECONDS + FIRST_CALL_SECONDS / 2)
                assert (await slow.get()).body == b"hello"


async def test_room_that_ends_half_way_leaves_time_to_ask_again(clock: MockClock) -> None:
    """The answer did not say that it was the last: the next request may be on its way."""
    app = Slow()
    taken: list[socket.socket] = []

    def take_one(client: socket.socket) -> bool:
        if taken:
            return False
        taken.append(client.dup())
        return True

    with capture_logs():
        async with serving(app) as served, await served.connect() as passed, await served.connect() as client:
            await client.say(GET)
            await app.asked.wait()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(served.server.drain, take_one)
                await trio.sleep(3)
                app.go.set()
                assert "connection" not in (await client.reply()).headers
                await trio.sleep(LINGER_SECONDS / 2)
                reply = await client.get()
                assert (reply.body, reply.headers["connection"]) == (b"first", "close")
                assert await client.rest() == b""
            taken.pop().close()
            assert await passed.rest() == b""


# ------------------------------------------------------------------- adopting


@asynccontextmanager
async def stray() -> AsyncGenerator[tuple[Wire, socket.socket]]:
    """A client, and the other end of its connection, which no server has."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = await connect(listener.getsockname()[1])
        accepted, _ = listener.accept()
    async with client:
        yield client, accepted


async def test_an_adopted_client_keeps_its_address() -> None:
    async def app(scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        assert scope["type"] == "http"
        await answer(send, repr((scope["client"], scope["server"])).encode())

    async with serving(app) as served, stray() as (client, accepted):
        ends = (accepted.getpeername(), accepted.getsockname())
        served.server.adopt(accepted)
        assert (await client.get()).body == repr(ends).encode()


async def test_an_adopted_connection_may_be_idle_as_long_as_any_that_was_used(clock: MockClock) -> None:
    async with serving(hello, keep_alive_seconds=50, head_seconds=5) as served, stray() as (client, accepted):
        served.server.adopt(accepted)
        await trio.sleep(40)
        assert served.server.connections == 1
        assert await client.rest() == b""
        assert 50 <= trio.current_time() <= 51


async def test_a_drain_waits_for_an_adopted_connection_no_longer_than_for_any_that_was_used(clock: MockClock) -> None:
    async with serving(hello) as served, stray() as (client, accepted):
        served.server.adopt(accepted)
        await served.server.drain()
        assert trio.current_time() == pytest.approx(RETIRED_SECONDS, abs=0.01)
        assert await client.rest() == b""


async def test_an_adopted_connection_whose_client_is_gone_is_closed() -> None:
    async with serving(hello) as served, stray() as (client, accepted):
        client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await client.stream.aclose()
        served.server.adopt(accepted)
        assert accepted.fileno() == -1
        assert served.server.connections == 0


async def test_a_server_that_does_not_run_closes_what_it_should_adopt() -> None:
    async with serving(hello) as served, stray() as (client, accepted):
        Server(hello).adopt(accepted)
        assert await client.rest() == b""
    async with stray() as (client, accepted):
        served.server.adopt(accepted)
        assert await client.rest() == b""


async def test_a_drain_parts_from_adopted_connections_too(clock: MockClock) -> None:
    async with serving(hello) as served, stray() as (idle, one), stray() as (asking, other):
        await served.server.drain()
        await asking.say(GET)
        served.server.adopt(one)
        served.server.adopt(other)
        assert await idle.rest() == b""
        reply = await asking.reply()
        assert (reply.body, reply.headers["connection"]) == (b"hello", "close")
        await served.until_connections(0)
        assert trio.current_time() < 1


async def test_what_comes_during_a_hand_over_goes_on_to_the_next_heir() -> None:
    app = Slow()
    async with relay(app) as both, await both.connect() as client, stray() as (stranger, accepted):
        await client.say(GET)
        await app.asked.wait()
        async with both.handing_over():
            both.old.adopt(accepted)
            app.go.set()
            assert (await client.reply()).body == b"first"
        assert (await stranger.get()).body == b"second"


# ------------------------------------------------------------- retired listeners


async def test_whoever_waits_at_an_address_that_is_given_up_is_served_and_then_it_is_closed() -> None:
    retired = socket.create_server(("127.0.0.1", 0), backlog=100)
    address = retired.getsockname()
    clients = [await connect(address[1]) for _ in range(20)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(hello)
        async with trio.open_nursery() as nursery:
            await nursery.start(_run_with_retired, server, listener, retired)
            for client in clients:
                assert (await client.get()).body == b"hello"
                await client.stream.aclose()
            assert retired.fileno() == -1
            with pytest.raises(OSError, match="connect"):
                await trio.open_tcp_stream(*address)
            async with await connect(listener.getsockname()[1]) as client:
                assert (await client.get()).body == b"hello"
            nursery.cancel_scope.cancel()


async def _run_with_retired(
    server: Server, listener: socket.socket, retired: socket.socket, *, task_status: trio.TaskStatus[None]
) -> None:
    await server.run([listener], retired=[retired], task_status=task_status)
