"""One connection, over loopback. Where time matters it is the clock's, which jumps when nothing else happens."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import psutil
import pytest
import trio
import trio.testing
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from structlog.testing import capture_logs
from trio.testing import MockClock
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from tests.fakes.wire import Served, Wire, answer, hello, serving
from xopc.server.wire.connection import LINGER_SECONDS, Connection, Patience
from xopc.server.wire.http1 import PING_SECONDS, Rules

HUGE = b"x" * 16_000_000
"""More than the kernel buffers for anybody."""
HANDSHAKE = """GET / HTTP/1.1
Host: localhost
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==

"""


@pytest.fixture
def clock() -> MockClock:
    """Jumps once nothing has happened for a moment: what is on its way over loopback arrives first."""
    return MockClock(autojump_threshold=0.01)


class Listening:
    """An application that never answers, and notes when its client leaves."""

    def __init__(self) -> None:
        self.asked = trio.Event()
        self.left = trio.Event()

    async def __call__(self, _scope: Scope, receive: ASGIReceiveCallable, _send: ASGISendCallable) -> None:
        self.asked.set()
        while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
            pass
        self.left.set()


class Sending:
    """An application that sends a body, in messages of these, and notes when it is through and its client left."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        self._parts = parts
        self.sent = 0
        self.left = trio.Event()

    async def __call__(self, _scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        headers = [(b"content-length", b"%d" % sum(map(len, self._parts)))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in self._parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            self.sent += 1
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        while (await receive())["type"] != "http.disconnect":
            pass
        self.left.set()


async def echo(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """A WebSocket that says everything back, and closes with 4001 at the word."""
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
    while (message := await receive())["type"] == "websocket.receive":
        if message["text"] == "close":
            await send({"type": "websocket.close", "code": 4001, "reason": "as you wish"})
            return
        await send({"type": "websocket.send", "text": message["text"], "bytes": message["bytes"]})


@asynccontextmanager
async def websocket(served: Served) -> AsyncGenerator[WebSocketConnection]:
    """A client that leaves without a word, on a stream that is ours to close.

    trio-websocket leaves its stream open after a close of the server's, and fails when a ping crosses its own close.
    """
    async with await served.connect() as wire, trio.open_nursery() as nursery:
        yield await wrap_client_stream(nursery, wire.stream, "localhost", "/", max_message_size=3_000_000)
        nursery.cancel_scope.cancel()


# ------------------------------------------------------------------ deadlines


async def test_an_idle_connection_is_closed_after_its_time_and_not_before(clock: MockClock) -> None:
    async with serving(hello, keep_alive_seconds=75) as served, await served.connect() as client:
        await trio.sleep(15)
        await client.get()
        await trio.sleep(70)
        await client.get()
        began = trio.current_time()
        assert await client.rest() == b""
        assert 75 <= trio.current_time() - began <= 77


async def test_a_connection_without_a_request_is_closed_without_a_word(clock: MockClock) -> None:
    async with serving(hello, head_seconds=20) as served, await served.connect() as client:
        assert await client.rest() == b""
        assert 20 <= trio.current_time() <= 22


async def test_a_head_that_comes_too_slowly_is_refused(clock: MockClock) -> None:
    async with serving(hello, head_seconds=20) as served, await served.connect() as client:
        await client.get()
        await trio.sleep(30)
        began = trio.current_time()
        served.nursery.start_soon(drip, client.stream, "GET / HTTP/1.1\r\nHost: a-name-that-takes-its-time\r\n")
        reply = await client.reply()
        assert reply.status == 408
        assert json.loads(reply.body)["error"]["code"] == "INVALID_REQUEST"
        assert 20 <= trio.current_time() - began <= 22


async def drip(stream: trio.SocketStream, text: str) -> None:
    for letter in text[:15]:
        await stream.send_all(letter.encode())
        await trio.sleep(1)


async def test_a_head_that_comes_slowly_enough_is_answered(clock: MockClock) -> None:
    async with serving(hello, head_seconds=20) as served, await served.connect() as client:
        for piece in ("GET / HTTP/1.1\n", "Host: localhost\n", "\n"):
            await client.say(piece)
            await trio.sleep(6)
        assert (await client.reply()).body == b"hello"


async def test_a_long_request_has_no_deadline_here(clock: MockClock) -> None:
    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await trio.sleep(100)
        await answer(send, b"at last")

    async with serving(app) as served, await served.connect() as client:
        assert (await client.get()).body == b"at last"


async def test_a_request_that_arrives_as_its_connection_expires_is_answered() -> None:
    """`expire` comes while the request is in the socket, and its reader has not run yet."""
    server, client = await tcp_pair()
    connection = Connection(server, ("127.0.0.1", 1), hello, Rules(), Patience(75, 20, 3))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.run)
        await trio.testing.wait_all_tasks_blocked()
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        connection.expire()
        connection.retire()
        await trio.lowlevel.wait_readable(client)
        assert client.recv(1000).endswith(b"hello")
        await trio.lowlevel.wait_readable(client)
        assert client.recv(1000) == b""
    client.close()


@pytest.mark.parametrize("_turn", range(20))
async def test_what_arrives_as_a_connection_is_passed_on_stays_unread(_turn: int) -> None:
    """The reader has been woken, and the heir comes before it runs; in half of the turns, for trio throws a coin."""
    server, client = await tcp_pair()
    passed: list[socket.socket] = []

    def take(given: socket.socket) -> bool:
        passed.append(given.dup())
        return True

    async def pass_on_when_asked() -> None:
        await trio.lowlevel.wait_readable(watched)
        connection.bequeath(take)

    connection = Connection(server, ("127.0.0.1", 1), hello, Rules(), Patience(75, 20, 3))
    with client, server.dup() as watched:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run)
            nursery.start_soon(pass_on_when_asked)
            await trio.testing.wait_all_tasks_blocked()
            client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for heir in passed:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(Connection(heir, ("127.0.0.1", 1), hello, Rules(), Patience(75, 20, 3)).run)
                await trio.lowlevel.wait_readable(client)
                assert client.recv(1000).endswith(b"hello")
                client.close()


async def test_a_connection_that_was_broken_off_is_not_passed_on(clock: MockClock) -> None:
    """It would be reset at the heir, by an option that it carries."""
    server, client = await tcp_pair()
    passed: list[socket.socket] = []

    def take(given: socket.socket) -> bool:
        passed.append(given)
        return True

    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        await answer(send, b"to nobody")
        await trio.sleep(1)

    connection = Connection(server, ("127.0.0.1", 1), app, Rules(), Patience(75, 20, 3))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.run)
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked(0.05)
        connection.bequeath(take)
    assert passed == []


async def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a connection, not blocking."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    client.setblocking(False)
    await trio.lowlevel.checkpoint()
    return server, client


# -------------------------------------------------------------------- writing


async def test_a_client_that_stops_reading_is_cut_off(clock: MockClock) -> None:
    app = Sending([HUGE])
    async with serving(app, write_seconds=3) as served, await served.connect(receive_bytes=4096) as client:
        with capture_logs() as logs:
            await client.say("GET / HTTP/1.1\nHost: localhost\n\n")
            await app.left.wait()
            await served.until_connections(0)
        assert 3 <= trio.current_time() <= 4
        assert [line["client"] for line in logs] == ["127.0.0.1"]
        with pytest.raises(trio.BrokenResourceError):
            await client.rest()


async def test_a_client_that_reads_slowly_gets_everything(clock: MockClock) -> None:
    """Though what the kernel would buffer without a limit takes it longer than `write_seconds`."""
    app = Sending([HUGE[:6_000_000]])
    async with serving(app, write_seconds=3) as served, await served.connect(receive_bytes=65536) as client:
        await client.say("GET / HTTP/1.1\nHost: localhost\n\n")
        received = 0
        while received < 6_000_000:
            received += len(await client.piece())
            await trio.sleep(0.5)
        assert trio.current_time() > 30


async def test_a_message_that_was_cancelled_half_way_is_followed_by_nothing(clock: MockClock) -> None:
    resumed = trio.Event()

    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        with trio.move_on_after(1):
            await send({"type": "http.response.body", "body": HUGE, "more_body": True})
        await resumed.wait()
        await send({"type": "http.response.body", "body": b"the end", "more_body": False})

    async with serving(app) as served, await served.connect(receive_bytes=4096) as client:
        await client.say("GET / HTTP/1.1\nHost: localhost\n\n")
        await trio.sleep(2)
        text = bytearray()

        async def read_on() -> None:
            while True:
                text.extend(await client.piece())

        with trio.move_on_after(0.5):
            await read_on()
        resumed.set()
        with pytest.raises(trio.BrokenResourceError):
            await read_on()
        assert len(text) < len(HUGE)
        assert b"the end" not in text
        await served.until_connections(0)


async def test_whoever_waits_behind_a_write_that_fails_does_not_wait_again(clock: MockClock) -> None:
    ended = trio.Event()

    async def app(_scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        async def say_much() -> None:
            await send({"type": "websocket.send", "bytes": HUGE, "text": None})

        await receive()
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(say_much)
        ended.set()

    with capture_logs() as logs:
        async with serving(app, write_seconds=3) as served, await served.connect(receive_bytes=4096) as client:
            await client.say(HANDSHAKE)
            await ended.wait()
            assert trio.current_time() == pytest.approx(3, abs=0.5)
    assert len(logs) == 1


async def test_small_chunks_are_not_held_back_by_the_kernel() -> None:
    server, client = await tcp_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Connection(server, ("127.0.0.1", 1), hello, Rules(), Patience(75, 20, 3)).run)
        await trio.testing.wait_all_tasks_blocked()
        assert server.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        client.close()


async def test_what_is_written_after_the_end_does_not_destroy_what_was_sent() -> None:
    """A client spoils its request while it gets the response: the connection ends, but the application goes on."""
    more = trio.Event()

    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await more.wait()
        await send({"type": "http.response.body", "body": b"two", "more_body": False})

    async with serving(app) as served, await served.connect() as client:
        await client.say("POST / HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n")
        await trio.testing.wait_all_tasks_blocked(0.05)
        await client.say("this is no chunk\n")
        await trio.testing.wait_all_tasks_blocked(0.05)
        more.set()
        await trio.testing.wait_all_tasks_blocked(0.05)
        await client.say("more of it")  # fails after a reset, as does what follows
        await client.say("and more")
        assert (await client.rest()).endswith(b"\r\n\r\n3\r\none\r\n")


async def test_two_writers_do_not_mix_their_messages(clock: MockClock) -> None:
    async def app(_scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        async def say(letter: str) -> None:
            await send({"type": "websocket.send", "bytes": None, "text": letter * 2_000_000})

        await receive()
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        async with trio.open_nursery() as nursery:
            for letter in "abc":
                nursery.start_soon(say, letter)

    async with (
        serving(app) as served,
        websocket(served) as client,
    ):
        messages = [await client.get_message() for _ in "abc"]
        assert sorted(message[0] for message in messages) == ["a", "b", "c"]
        assert all(message == message[0] * 2_000_000 for message in messages)


async def test_an_answer_that_fails_after_its_head_shows_that_it_failed() -> None:
    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        raise ValueError

    with capture_logs() as logs:
        async with serving(app) as served, await served.connect() as client:
            await client.say("GET / HTTP/1.1\nHost: localhost\n\n")
            text = await client.rest()
    assert text.startswith(b"HTTP/1.1 200 ")
    assert text.endswith(b"\r\n\r\n")
    assert [line["event"] for line in logs] == ["The application failed."]


async def test_a_failing_application_is_answered_500_and_the_connection_goes_on() -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        assert scope["type"] == "http"
        if scope["path"] == "/fail":
            raise ValueError
        await hello(scope, receive, send)

    with capture_logs() as logs:
        async with serving(app) as served, await served.connect() as client:
            reply = await client.get("/fail")
            assert reply.status == 500
            assert json.loads(reply.body)["error"]["code"] == "INTERNAL_ERROR"
            assert (await client.get()).body == b"hello"
    assert [line["request"] for line in logs] == ["GET /fail"]


# -------------------------------------------------------------------- the end


async def test_a_client_that_leaves_is_told_to_the_application() -> None:
    app = Listening()
    async with serving(app) as served:
        async with await served.connect() as client:
            await client.say("GET / HTTP/1.1\nHost: localhost\n\n")
            await app.asked.wait()
        await app.left.wait()
        await served.until_connections(0)


async def test_a_client_that_resets_its_connection_is_told_to_the_application() -> None:
    app = Listening()
    with capture_logs() as logs:
        async with serving(app) as served:
            client = await served.connect()
            await client.say("GET / HTTP/1.1\nHost: localhost\n\n")
            await app.asked.wait()
            await reset(client)
            await app.left.wait()
            await served.until_connections(0)
    assert logs == []


async def test_an_answer_to_a_client_that_reset_its_connection_is_no_error() -> None:
    release, answered = trio.Event(), trio.Event()

    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await release.wait()
        await answer(send, b"hello")
        answered.set()

    with capture_logs() as logs:
        async with serving(app) as served:
            client = await served.connect()
            await client.say("GET / HTTP/1.1\nHost: localhost\nConnection: close\n\n")
            await trio.testing.wait_all_tasks_blocked(0.05)
            await reset(client)
            await trio.testing.wait_all_tasks_blocked(0.05)
            release.set()
            await answered.wait()
            await served.until_connections(0)
    assert logs == []


async def reset(client: Wire) -> None:
    client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await client.stream.aclose()


async def test_a_client_that_only_stops_sending_still_gets_its_answer() -> None:
    async with serving(hello) as served, await served.connect() as client:
        await client.say("GET / HTTP/1.1\nHost: localhost\n\n")
        await client.stream.send_eof()
        assert (await client.rest()).endswith(b"hello")


async def test_a_client_that_asks_for_it_is_closed_at_once() -> None:
    async with serving(hello) as served, await served.connect() as client:
        await client.say("GET / HTTP/1.1\nHost: localhost\nConnection: close\n\n")
        reply = await client.reply()
        assert reply.headers["connection"] == "close"
        assert await client.rest() == b""
        await served.until_connections(0)


async def refuse_body(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    await answer(send, b"too large", 413)


async def test_a_client_that_is_refused_in_the_middle_of_its_body_sees_the_answer() -> None:
    async with serving(refuse_body) as served, await served.connect() as client:
        await client.say(f"POST / HTTP/1.1\nHost: localhost\nContent-Length: {len(HUGE)}\n\n")
        await client.stream.send_all(HUGE)
        reply = await client.reply()
        assert (reply.status, reply.body, reply.headers["connection"]) == (413, b"too large", "close")
        assert await client.rest() == b""


async def test_what_arrives_with_the_last_answer_does_not_destroy_it() -> None:
    """A close with something unread would reset the connection."""
    server, client = await tcp_pair()

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        client.send(b"more")
        await hello(scope, receive, send)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(Connection(server, ("127.0.0.1", 1), app, Rules(), Patience(75, 20, 3)).run)
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked(0.05)
        client.send(b"and more")  # fails after a reset
        assert client.recv(1000).endswith(b"hello")
        assert client.recv(1000) == b""
        client.close()


async def test_a_client_that_keeps_sending_is_not_listened_to_for_ever(clock: MockClock) -> None:
    async with serving(refuse_body) as served, await served.connect() as client:
        await client.say("POST / HTTP/1.1\nHost: localhost\nContent-Length: 1000\n\n")
        assert (await client.reply()).status == 413
        await served.until_connections(0)
        assert LINGER_SECONDS <= trio.current_time() <= LINGER_SECONDS + 2


async def test_nor_however_much_it_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xopc.server.wire.connection.LINGER_BYTES", 1_000_000)
    async with serving(refuse_body) as served, await served.connect() as client:
        await client.say(f"POST / HTTP/1.1\nHost: localhost\nContent-Length: {len(HUGE)}\n\n")
        with pytest.raises(trio.BrokenResourceError):
            await client.stream.send_all(HUGE * 4)
        await served.until_connections(0)


async def test_a_body_that_the_application_does_not_read_blocks_nobody() -> None:
    """hypercorn's own queue would fill up, and its last `send` would wait for it for ever."""
    release = trio.Event()

    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await release.wait()
        await answer(send, b"done")

    async with serving(app) as served, await served.connect() as client:
        await client.say(f"POST / HTTP/1.1\nHost: localhost\nContent-Length: {len(HUGE)}\n\n")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.stream.send_all, HUGE)
            await trio.testing.wait_all_tasks_blocked(0.05)
            release.set()
            assert (await client.reply()).body == b"done"


async def test_an_error_of_the_protocol_ends_only_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        await trio.lowlevel.checkpoint()
        raise LookupError

    async with serving(hello) as served, await served.connect() as client, await served.connect() as other:
        with capture_logs() as logs, monkeypatch.context() as patch:
            patch.setattr(H11Protocol, "_create_stream", fail)
            await client.say("GET / HTTP/1.1\nHost: localhost\n\n")
            assert await client.rest() == b""
        assert [line["log_level"] for line in logs] == ["error"]
        assert (await other.get()).body == b"hello"


async def test_a_connection_that_is_gone_before_it_is_looked_at_is_closed_without_a_word() -> None:
    ours, theirs = socket.socketpair()  # refuses the options of TCP, as a dead connection does on some systems
    with capture_logs() as logs, theirs:
        await Connection(ours, ("127.0.0.1", 1), hello, Rules(), Patience(75, 20, 3)).run()
    assert logs == []
    assert ours.fileno() == -1


async def test_connections_leave_no_task_and_no_descriptor_behind(clock: MockClock) -> None:
    process = psutil.Process()
    async with serving(echo_or_hello) as served:
        before = (process.num_fds(), trio.lowlevel.current_statistics().tasks_living)
        for _ in range(3):
            async with trio.open_nursery() as nursery:
                for number in range(100):
                    nursery.start_soon(visit, served, number)
            await served.until_connections(0)
        assert (process.num_fds(), trio.lowlevel.current_statistics().tasks_living) == before


async def echo_or_hello(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    await (echo if scope["type"] == "websocket" else hello)(scope, receive, send)


async def visit(served: Served, number: int) -> None:
    """One of the ways in which a client comes and goes."""
    async with await served.connect() as client:
        match number % 5:
            case 0:
                await client.get()
                await client.get()
            case 1:
                await client.say("GET / HT")
            case 2:
                await client.say("nonsense\n\n")
                await client.rest()
            case 3:
                await client.say("POST / HTTP/1.1\nHost: localhost\nContent-Length: 10\n\n")
                await client.reply()
            case _:
                await client.say(HANDSHAKE)
                await client.piece()


# ----------------------------------------------------------------- WebSockets


async def test_a_websocket_says_back_what_it_is_told_and_answers_pings() -> None:
    async with serving(echo) as served, websocket(served) as client:
        await client.send_message("hello")
        assert await client.get_message() == "hello"
        await client.send_message(b"\x00\x01")
        assert await client.get_message() == b"\x00\x01"
        with trio.fail_after(5):
            await client.ping(b"are you there")


async def test_a_websockets_close_arrives_with_its_code() -> None:
    async with serving(echo) as served, websocket(served) as client:
        await client.send_message("close")
        with pytest.raises(ConnectionClosed) as closed:
            await client.get_message()
        assert closed.value.reason is not None
        assert (closed.value.reason.code, closed.value.reason.reason) == (4001, "as you wish")


async def test_a_websocket_that_the_client_closes_is_told_to_the_application(clock: MockClock) -> None:
    """And the pings do not keep the connection until the next is due."""
    app = Listening()

    async def accepting(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        await app(scope, receive, send)

    async with serving(accepting) as served:
        async with websocket(served) as client:
            await client.ping()
            await client.aclose()
            await app.left.wait()
        await served.until_connections(0)
        assert trio.current_time() < 1


async def test_a_websocket_client_is_pinged(clock: MockClock) -> None:
    async with serving(echo) as served, await served.connect() as client:
        await client.say(HANDSHAKE)
        assert (await client.reply(has_body=False)).status == 101
        assert await client.piece() == b"\x89\x00"
        began = trio.current_time()
        assert await client.piece() == b"\x89\x00"
        assert trio.current_time() - began == pytest.approx(PING_SECONDS, abs=0.1)


async def test_a_failing_websocket_closes_with_1011() -> None:
    async def app(_scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        raise ValueError

    with capture_logs():
        async with serving(app) as served, websocket(served) as client:
            with pytest.raises(ConnectionClosed) as closed:
                await client.get_message()
    assert closed.value.reason is not None
    assert closed.value.reason.code == 1011


async def test_a_websocket_client_that_speaks_before_it_may_leaves_nothing_behind(clock: MockClock) -> None:
    """hypercorn refuses it, but forgets its application and the connection."""
    app = Listening()
    async with serving(app) as served, await served.connect() as client:
        await client.say(HANDSHAKE.replace("\n", "\r\n").encode() + b"\x81\x80\x00\x00\x00\x00")
        assert (await client.reply()).status == 400
        assert await client.rest() == b""
        await client.stream.aclose()
        await app.left.wait()
        await served.until_connections(0)
