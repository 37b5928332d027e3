import os
import signal
import socket
from collections.abc import Iterator

import pytest
import trio

from xopc.gateway.line import Line
from xopc.gateway.orders import Order, Orders, Restart, Stop, receive_orders


@pytest.fixture
def ends() -> Iterator[tuple[Line, socket.socket]]:
    ours, theirs = socket.socketpair()
    line = Line(theirs.detach())
    yield line, ours
    ours.close()
    line.close()


async def received(nursery: trio.Nursery, line: Line) -> trio.MemoryReceiveChannel[Order]:
    send, receive = trio.open_memory_channel[Order](10)

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        await receive_orders(line, send.send_nowait, task_status=task_status)

    await nursery.start(run)
    return receive


@pytest.mark.parametrize(
    ("number", "order"),
    [
        (signal.SIGTERM, Stop("SIGTERM")),
        (signal.SIGINT, Stop("SIGINT")),
        (signal.SIGUSR1, Restart("in-process", "SIGUSR1")),
        (signal.SIGHUP, Restart("reload", "configuration reload (SIGHUP)")),
    ],
)
async def test_a_signal_is_an_order(ends: tuple[Line, socket.socket], number: int, order: Order) -> None:
    async with trio.open_nursery() as nursery:
        orders = await received(nursery, ends[0])
        os.kill(os.getpid(), number)
        assert await orders.receive() == order
        nursery.cancel_scope.cancel()


async def test_the_supervisors_words_are_orders_and_its_end_is_a_stop(ends: tuple[Line, socket.socket]) -> None:
    line, supervisor = ends
    async with trio.open_nursery() as nursery:
        orders = await received(nursery, line)
        supervisor.sendall(b"restart respawn a new version\nan unknown word\nstop by hand\n")
        assert await orders.receive() == Restart("respawn", "a new version")
        assert await orders.receive() == Stop("by hand")
        supervisor.close()
        assert await orders.receive() == Stop("the supervisor is gone")
        nursery.cancel_scope.cancel()


async def test_restarts_that_wait_together_are_one() -> None:
    orders = Orders()
    orders.give(Restart("in-process", "first"))
    orders.give(Restart("in-process", "second"))
    assert await orders.take() == Restart("in-process", "first")
    orders.give(Restart("in-process", "third"))
    assert await orders.take() == Restart("in-process", "third")


async def test_restarts_of_another_mode_are_kept() -> None:
    orders = Orders()
    orders.give(Restart("in-process", "perhaps forbidden"))
    orders.give(Restart("reload", "never forbidden"))
    assert await orders.take() == Restart("in-process", "perhaps forbidden")
    assert await orders.take() == Restart("reload", "never forbidden")


async def test_a_restart_that_may_be_forbidden_does_not_stand_for_one_that_is_due() -> None:
    orders = Orders()
    orders.give(Restart("in-process", "perhaps forbidden"))
    orders.give(Restart("in-process", "the configuration changed", is_due=True))
    assert await orders.take() == Restart("in-process", "perhaps forbidden")
    assert await orders.take() == Restart("in-process", "the configuration changed", is_due=True)


async def test_two_stops_that_arrive_together_are_two() -> None:
    orders = Orders()
    orders.give(Stop("SIGINT"))
    orders.give(Stop("SIGTERM"))
    assert await orders.take() == Stop("SIGINT")
    assert await orders.stop() == Stop("SIGTERM")


async def test_a_stop_goes_before_all_restarts() -> None:
    orders = Orders()
    orders.give(Restart("respawn", "first"))
    orders.give(Stop("now"))
    assert orders.stop_given.is_set()
    assert await orders.take() == Stop("now")


async def test_take_waits_for_an_order(autojump_clock: trio.testing.MockClock) -> None:
    orders = Orders()

    async def later() -> None:
        await trio.sleep(3)
        orders.give(Stop("later"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(later)
        assert await orders.take() == Stop("later")
        assert trio.current_time() == pytest.approx(3, abs=0.1)


async def test_the_next_stop_is_found_among_restarts() -> None:
    orders = Orders()
    orders.give(Restart("in-process", "x"))

    async def later() -> None:
        await trio.lowlevel.checkpoint()
        orders.give(Stop("again"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(later)
        assert await orders.stop() == Stop("again")
