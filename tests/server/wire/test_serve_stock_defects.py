"""What hypercorn's own `serve` and quart-trio get wrong, each beside our cure.

The pairs of tests have one scenario. One that fails in its stock half means that an upgrade has mended the defect:
see then whether its cure is still needed (docs/explanation/accept-loop.md).
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, cast

import hypercorn.trio
import pytest
import trio
from attrs import frozen
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework as ASGIApp, ASGIReceiveCallable, ASGISendCallable, Scope
from quart import Response, request
from quart_trio import QuartTrio
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.fakes.door import open_door
from tests.fakes.wire import Wire, answer, backlog, connect, hello, serving
from xopc.server.app import build_app
from xopc.server.wire.front import Front
from xopc.server.wire.gate import Gate
from xopc.server.wire.serve import Server

GET = "GET / HTTP/1.1\nHost: localhost\n\n"
HUGE = b"x" * 16_000_000
"""More than the kernel buffers for anybody."""
Serve: TypeAlias = Callable[..., Awaitable[Any]]
EARLY_FRAME = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n\x81\x80\x00\x00\x00\x00"
)


@pytest.fixture
def clock() -> MockClock:
    """Jumps once nothing has happened for a moment: what is on its way over loopback arrives first."""
    return MockClock(autojump_threshold=0.01)


@frozen
class Stock:
    """A running `hypercorn.trio.serve`."""

    port: int
    stop: trio.Event
    stopped: trio.Event

    async def connect(self, *, receive_bytes: int | None = None) -> Wire:
        return await connect(self.port, receive_bytes=receive_bytes)


@asynccontextmanager
async def stock(app: ASGIApp, *, bind: str = "127.0.0.1:0", keep_alive: float = 5) -> AsyncGenerator[Stock]:
    """`app` on hypercorn's own server, which has 4 seconds to end. The block ends it."""
    config = Config()
    config.bind = [bind]
    config.errorlog = None
    config.graceful_timeout = 4
    config.keep_alive_timeout = keep_alive
    stop, stopped = trio.Event(), trio.Event()

    async def serve(*, task_status: trio.TaskStatus[list[str]]) -> None:
        run = cast("Serve", hypercorn.trio.serve)  # pyright: ignore[reportUnknownMemberType]  half its types are open
        await run(app, config, shutdown_trigger=stop.wait, task_status=task_status)
        stopped.set()

    async with trio.open_nursery() as nursery:
        [url] = await nursery.start(serve)
        yield Stock(int(url.rpartition(":")[2]), stop, stopped)
        stop.set()
        await stopped.wait()


def quart(response_timeout: float | None = None) -> QuartTrio:
    """An application of quart-trio's, as ours is one."""
    app = QuartTrio(__name__, static_folder=None)
    app.config["RESPONSE_TIMEOUT"] = response_timeout

    @app.get("/")
    async def index() -> Response:  # pyright: ignore[reportUnusedFunction]  registered by its decorator
        return Response("hello")

    @app.get("/huge")
    async def huge() -> Response:  # pyright: ignore[reportUnusedFunction]  as above
        return Response(HUGE)

    @app.get("/stream")
    async def stream() -> Response:  # pyright: ignore[reportUnusedFunction]  as above
        async def chunks() -> AsyncGenerator[bytes]:
            for _ in range(12):
                yield b"data: 1\n\n"
                await trio.sleep(10)

        return Response(chunks())

    @app.post("/body")
    async def body() -> Response:  # pyright: ignore[reportUnusedFunction]  as above
        return Response(str(len(await request.get_data())))

    return app


def ours(app: ASGIApp) -> Front:
    return Front(app, open_door(), lambda: (200, b"{}"))


# ------------------- quart-trio cancels hypercorn's last `send` half-way, so that no keep-alive timer is started


async def test_stock_never_closes_an_idle_connection(clock: MockClock) -> None:
    async with stock(quart(), keep_alive=1) as served, await served.connect() as client:
        await client.get()
        with trio.move_on_after(60) as patience:
            await client.rest()
        assert patience.cancelled_caught


async def test_ours_closes_an_idle_connection(clock: MockClock) -> None:
    async with serving(ours(quart()), keep_alive_seconds=5) as served, await served.connect() as client:
        await client.get()
        assert await client.rest() == b""
        assert 5 <= trio.current_time() <= 7


async def test_stock_waits_its_whole_grace_for_idle_connections(clock: MockClock) -> None:
    async with stock(quart()) as served, await served.connect() as client:
        await client.get()
        began = trio.current_time()
        served.stop.set()
        await served.stopped.wait()
        assert trio.current_time() - began == pytest.approx(4, abs=0.1)


async def test_ours_waits_a_second(clock: MockClock) -> None:
    async with serving(ours(quart())) as served, await served.connect() as client:
        await client.get()
        began = trio.current_time()
        await served.server.drain()
        assert trio.current_time() - began <= 1.01


async def test_ours_still_cancels_the_handler_of_a_client_that_leaves(clock: MockClock) -> None:
    app = QuartTrio(__name__, static_folder=None)
    asked, cancelled = trio.Event(), trio.Event()

    @app.get("/")
    async def wait() -> str:  # pyright: ignore[reportUnusedFunction]  registered by its decorator
        asked.set()
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async with serving(ours(app)) as served:
        async with await served.connect() as client:
            await client.say(GET)
            await asked.wait()
        with trio.fail_after(1):
            await cancelled.wait()
        await served.until_connections(0)


# ------------------------------------------------------------- hypercorn shields every `send` from cancellation


async def test_stock_never_ends_while_a_client_does_not_read(clock: MockClock) -> None:
    async with stock(quart()) as served, await served.connect(receive_bytes=4096) as client:
        await client.say(GET.replace("/ ", "/huge "))
        await trio.sleep(1)
        served.stop.set()
        await trio.sleep(60)
        assert not served.stopped.is_set()


async def test_ours_drops_such_a_client_within_its_grace(clock: MockClock) -> None:
    """Though quart-trio sends the whole body at once, and then the end of it."""
    with capture_logs():
        async with serving(ours(quart())) as served, await served.connect(receive_bytes=4096) as client:
            await client.say(GET.replace("/ ", "/huge "))
            await trio.sleep(1)
            began = trio.current_time()
            await served.server.drain()
            assert trio.current_time() - began <= 3


async def test_ours_can_be_cancelled_meanwhile(clock: MockClock) -> None:
    async with serving(ours(quart())) as served:
        client = await served.connect(receive_bytes=4096)
        await client.say(GET.replace("/ ", "/huge "))
        await trio.sleep(1)
        began = trio.current_time()
    await client.stream.aclose()
    assert trio.current_time() - began <= 0.1


# ------------------------------------------- hypercorn closes in the same instant in which it stops to accept


async def test_stock_tears_a_connection_whose_request_is_on_its_way(clock: MockClock) -> None:
    async with stock(hello) as served, await served.connect() as client:
        await trio.sleep(0.5)
        served.stop.set()
        await trio.sleep(0.1)
        with pytest.raises((AssertionError, trio.BrokenResourceError)):
            await client.get()


async def test_ours_answers_it(clock: MockClock) -> None:
    async with serving(ours(hello)) as served, await served.connect() as client, trio.open_nursery() as nursery:
        await trio.sleep(0.5)
        nursery.start_soon(served.server.drain)
        await trio.sleep(0.1)
        assert (await client.get()).headers["connection"] == "close"


# ----------------------------------------------------- hypercorn closes the sockets that it was handed, and listens


async def test_stock_closes_an_inherited_socket_and_shortens_its_backlog() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener, listener.dup() as other:
        fd = listener.detach()
        async with stock(hello, bind=f"fd://{fd}"):
            assert backlog(other) == 100
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


async def test_ours_does_neither() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listener:
        async with trio.open_nursery() as nursery:
            await nursery.start(Server(hello).run, [listener])
            nursery.cancel_scope.cancel()
        assert backlog(listener) == 1000
        async with await connect(listener.getsockname()[1]):
            listener.accept()[0].close()


# ----------------------------------------------------------------- Quart cuts a response that takes a minute


async def test_stock_cuts_a_stream_after_a_minute(clock: MockClock) -> None:
    async with stock(quart(QuartTrio.default_config["RESPONSE_TIMEOUT"])) as served, await served.connect() as client:
        await client.say(GET.replace("/ ", "/stream "))
        assert not (await client.rest()).endswith(b"0\r\n\r\n")
        assert trio.current_time() == pytest.approx(60, abs=1)


async def test_ours_does_not(clock: MockClock) -> None:
    app = quart(cast("float | None", build_app(Gate(), open_door()).config["RESPONSE_TIMEOUT"]))
    async with serving(ours(app)) as served, await served.connect() as client:
        assert (await client.get("/stream")).body == b"data: 1\n\n" * 12
        assert trio.current_time() >= 120


# -------------------------------------------------------- hypercorn's queue to the application waits for it for ever


class Deaf:
    """An application that answers and does not read; `done` when its last `send` has come back."""

    def __init__(self) -> None:
        self.done = trio.Event()

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            raise ValueError(scope["type"])
        await trio.sleep(1)
        await answer(send, b"hello", 413)
        self.done.set()


async def upload(client: Wire) -> None:
    await client.say(f"POST / HTTP/1.1\nHost: localhost\nContent-Length: {len(HUGE)}\n\n")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.stream.send_all, HUGE)
        await client.reply()
        await trio.sleep(10)
        nursery.cancel_scope.cancel()


async def test_stock_hangs_in_the_answer_to_an_upload_that_nobody_reads(clock: MockClock) -> None:
    app = Deaf()
    async with stock(app) as served, await served.connect() as client:
        await upload(client)
        assert not app.done.is_set()


async def test_ours_does_not_hang(clock: MockClock) -> None:
    app = Deaf()
    async with serving(ours(app)) as served, await served.connect() as client:
        await upload(client)
        assert app.done.is_set()


# ------------------------- hypercorn refuses a WebSocket client that speaks too early, and forgets its application


class Waiting:
    """An application that waits for its client to leave; counts those that still do."""

    def __init__(self) -> None:
        self.clients = 0

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, _send: ASGISendCallable) -> None:
        if scope["type"] != "websocket":
            raise ValueError(scope["type"])
        self.clients += 1
        while (await receive())["type"] != "websocket.disconnect":
            pass
        self.clients -= 1


async def test_stock_keeps_its_application_for_ever(clock: MockClock) -> None:
    app = Waiting()
    async with stock(app) as served:
        async with await served.connect() as client:
            await client.say(EARLY_FRAME)
            assert (await client.reply()).status == 400
        await trio.sleep(60)
        assert app.clients == 1


async def test_ours_tells_it(clock: MockClock) -> None:
    app = Waiting()
    async with serving(ours(app)) as served:
        async with await served.connect() as client:
            await client.say(EARLY_FRAME)
            assert (await client.reply()).status == 400
        await served.until_connections(0)
        assert app.clients == 0


# ----------------------------------------------- our own loop has no lifespan, and so what hangs on it does not work


async def test_background_tasks_of_quart_work_in_stock_only() -> None:
    app = QuartTrio(__name__, static_folder=None)
    done = trio.Event()

    async def set_done() -> None:
        done.set()

    @app.get("/")
    async def start() -> str:  # pyright: ignore[reportUnusedFunction]  registered by its decorator
        app.add_background_task(set_done)  # pyright: ignore[reportUnknownMemberType]  half its types are open
        return ""

    async with serving(ours(app)) as served, await served.connect() as client:
        assert (await client.get()).status == 500
        assert not done.is_set()
    async with stock(app) as served, await served.connect() as client:
        assert (await client.get()).status == 200
        await done.wait()
