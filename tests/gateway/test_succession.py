from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import trio
from attrs import evolve, field, frozen

from xopc.config.resolve import Flags, Resolved, resolve
from xopc.gateway.line import Line
from xopc.gateway.orders import Declined, HandOver, Orders, Restart, Stop
from xopc.gateway.problems import Problems
from xopc.gateway.succession import SUCCESSOR_SECONDS, Succession, may_be_succeeded, moves

ORDER = Restart("respawn", "a new version")


@frozen
class Parts:
    """A succession, and what it works on."""

    succession: Succession
    supervisor: socket.socket
    orders: Orders = field(factory=Orders)
    problems: Problems = field(factory=Problems)


@pytest.fixture
def parts() -> Iterator[Parts]:
    ours, theirs = socket.socketpair()
    line, orders, problems = Line(theirs.detach()), Orders(), Problems()
    yield Parts(Succession(line, orders, problems), ours, orders, problems)
    ours.close()
    line.close()


@pytest.fixture
def resolved(tmp_path: object) -> Resolved:
    return resolve({"XOPC_HOME": str(tmp_path)}, Flags())


def test_a_wish_is_said_to_the_supervisor(parts: Parts) -> None:
    parts.succession.wish(ORDER)
    assert parts.supervisor.recv(100) == b"restart respawn a new version\n"
    assert parts.succession.is_awaited


async def test_what_was_left_to_a_successor_that_is_declined_is_ordered_again(parts: Parts) -> None:
    parts.succession.wish(ORDER)
    parts.succession.leave_to_it(Restart("in-process", "meanwhile"))
    parts.succession.decline("it has a bug")
    assert not parts.succession.is_awaited
    assert await parts.orders.take() == Restart("in-process", "meanwhile")
    (problem,) = parts.problems.standing()
    assert problem.code == "hand-over"
    assert "it has a bug" in problem.message
    assert not parts.problems.degrades


async def test_what_was_left_to_it_is_ordered_once(parts: Parts, autojump_clock: trio.abc.Clock) -> None:
    parts.succession.leave_to_it(ORDER)
    parts.succession.decline("it has a bug")
    await parts.orders.take()
    parts.succession.decline("it has another bug")
    with trio.move_on_after(1) as limit:
        await parts.orders.take()
    assert limit.cancelled_caught


@pytest.mark.parametrize("order", [HandOver("a new version", None), Stop("by hand")])
async def test_a_hand_over_or_a_stop_is_what_comes(parts: Parts, order: HandOver | Stop) -> None:
    parts.orders.give(ORDER)
    parts.orders.give(order)
    assert await parts.succession.come() == order


async def test_a_declined_successor_does_not_come(parts: Parts) -> None:
    parts.orders.give(Declined("it has a bug"))
    assert await parts.succession.come() is None


async def test_a_successor_is_not_waited_for_for_ever(parts: Parts, autojump_clock: trio.abc.Clock) -> None:
    began = trio.current_time()
    assert await parts.succession.come() is None
    assert trio.current_time() - began == pytest.approx(SUCCESSOR_SECONDS)


def test_another_port_and_nothing_else_moves(resolved: Resolved) -> None:
    assert not moves(resolved, resolved)
    assert moves(resolved, evolve(resolved, port=resolved.port + 1))
    assert not moves(resolved, evolve(resolved, warnings=("odd",)))


def test_the_environment_may_forbid_a_successor() -> None:
    assert may_be_succeeded({})
    assert not may_be_succeeded({"XOPC_NO_RESPAWN": "1"})
