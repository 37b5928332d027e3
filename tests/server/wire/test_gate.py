from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.generation import Generation
from xopc.contracts.errors import Failure, XopcError
from xopc.server.services import Services
from xopc.server.wire.gate import WAIT_SECONDS, Gate

FIRST, SECOND = Generation(1).services(), Generation(2).services()


@pytest.fixture
def gate() -> Gate:
    return Gate()


async def stay(gate: Gate, until: trio.Event, task_status: trio.TaskStatus[Services]) -> None:
    async with gate.enter() as services:
        task_status.started(services)
        await until.wait()


async def note(gate: Gate, results: list[Services | str]) -> None:
    try:
        async with gate.enter() as services:
            results.append(services)
    except XopcError as refusal:
        results.append(f"{refusal.failure.code}: {refusal.message}")


async def test_an_open_gate_hands_out_the_services_at_once(gate: Gate) -> None:
    gate.open(FIRST)
    async with gate.enter() as services:
        assert services is FIRST
        assert (gate.inside, gate.waiting) == (1, 0)
    assert gate.inside == 0


async def test_before_the_first_generation_requests_wait_for_it(gate: Gate, autojump_clock: MockClock) -> None:
    results: list[Services | str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(note, gate, results)
        nursery.start_soon(note, gate, results)
        await trio.sleep(WAIT_SECONDS - 0.1)
        assert (gate.inside, gate.waiting) == (0, 2)
        gate.open(FIRST)
    assert results == [FIRST, FIRST]
    assert gate.waiting == 0


async def test_during_a_restart_newcomers_wait_and_get_the_next_generation(gate: Gate) -> None:
    results: list[Services | str] = []
    gate.open(FIRST)
    gate.close()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(note, gate, results)
        await wait_all_tasks_blocked()
        assert results == []
        gate.open(SECOND)
    assert results == [SECOND]


async def test_a_wait_ends_after_six_seconds(gate: Gate, autojump_clock: MockClock) -> None:
    results: list[Services | str] = []
    before = trio.current_time()
    await note(gate, results)
    assert trio.current_time() - before == pytest.approx(6)
    assert "within 6 seconds" in str(results[0])
    assert gate.waiting == 0


async def test_the_wait_goes_on_through_a_second_restart(gate: Gate, autojump_clock: MockClock) -> None:
    results: list[Services | str] = []
    before = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(note, gate, results)
        await trio.sleep(4)
        gate.open(FIRST)
        gate.close()
        await trio.sleep(1)
        assert results == []
    assert trio.current_time() - before == pytest.approx(6)
    assert "within 6 seconds" in str(results[0])


async def test_a_stop_refuses_newcomers_and_those_who_wait_at_once(gate: Gate, autojump_clock: MockClock) -> None:
    results: list[Services | str] = []
    before = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(note, gate, results)
        await wait_all_tasks_blocked()
        gate.shut()
    await note(gate, results)
    assert results == ["UNAVAILABLE: The gateway is stopping."] * 2
    assert trio.current_time() == before
    assert gate.is_shut


async def test_a_gate_that_is_shut_never_opens_again(gate: Gate) -> None:
    results: list[Services | str] = []
    gate.open(FIRST)
    gate.shut()
    gate.open(SECOND)
    await note(gate, results)
    assert results == ["UNAVAILABLE: The gateway is stopping."]


@pytest.mark.parametrize("end", [Gate.close, Gate.shut])
async def test_idle_waits_for_the_last_one_inside(
    gate: Gate, end: Callable[[Gate], None], autojump_clock: MockClock
) -> None:
    gate.open(FIRST)
    first, second, idle = trio.Event(), trio.Event(), trio.Event()

    async def drain() -> None:
        await gate.idle()
        idle.set()

    async with trio.open_nursery() as nursery:
        await nursery.start(stay, gate, first)
        await nursery.start(stay, gate, second)
        end(gate)
        nursery.start_soon(drain)
        first.set()
        await wait_all_tasks_blocked()
        assert gate.inside == 1
        assert not idle.is_set()
        second.set()
    assert idle.is_set()


async def test_idle_returns_at_once_when_nobody_is_inside(gate: Gate, autojump_clock: MockClock) -> None:
    gate.open(FIRST)
    gate.close()
    before = trio.current_time()
    await gate.idle()
    assert trio.current_time() == before


async def test_idle_does_not_wait_for_guests_of_the_open_generation(gate: Gate) -> None:
    gate.open(FIRST)
    old, new = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(stay, gate, old)
        gate.close()
        gate.open(SECOND)
        assert await nursery.start(stay, gate, new) is SECOND
        assert gate.inside == 2
        with trio.move_on_after(0.01) as deadline:
            await gate.idle()
        assert deadline.cancelled_caught, "the guest of the first generation was not waited for"
        old.set()
        await gate.idle()
        assert gate.inside == 1
        new.set()


async def test_eviction_ends_the_guests_of_closed_generations_alone(gate: Gate) -> None:
    gate.open(FIRST)
    never = trio.Event()
    refused: list[str] = []

    async def evicted() -> None:
        with pytest.raises(XopcError) as caught:
            async with gate.enter():
                await never.wait()
        assert caught.value.failure is Failure.UNAVAILABLE
        refused.append(caught.value.message)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(evicted)
        await wait_all_tasks_blocked()
        gate.close()
        gate.open(SECOND)
        await nursery.start(stay, gate, never)
        gate.evict()
        await gate.idle()
        await wait_all_tasks_blocked()
        assert gate.inside == 1
        assert "before it was done" in refused[0]
        never.set()


async def test_whoever_is_cancelled_while_waiting_or_inside_is_counted_out(gate: Gate) -> None:
    with trio.move_on_after(0.01):
        await note(gate, [])
    assert gate.waiting == 0
    gate.open(FIRST)
    with trio.move_on_after(0.01):
        async with gate.enter():
            await trio.sleep_forever()
    assert gate.inside == 0


async def test_an_error_inside_leaves_the_gate_and_goes_on(gate: Gate) -> None:
    gate.open(FIRST)
    with pytest.raises(KeyError):
        async with gate.enter():
            raise KeyError
    assert gate.inside == 0


async def test_opening_an_open_gate_replaces_the_generation(gate: Gate) -> None:
    gate.open(FIRST)
    gate.open(SECOND)
    await gate.idle()
    async with gate.enter() as services:
        assert services is SECOND


async def test_who_is_inside_stays_when_other_services_take_over_and_a_restart_then_waits_for_all(gate: Gate) -> None:
    leave = trio.Event()
    gate.open(FIRST)
    async with trio.open_nursery() as nursery:
        assert await nursery.start(stay, gate, leave) is FIRST
        gate.open(SECOND)
        assert await nursery.start(stay, gate, leave) is SECOND
        assert (gate.inside, gate.waiting) == (2, 0)
        gate.close()
        is_idle = trio.Event()

        async def wait() -> None:
            await gate.idle()
            is_idle.set()

        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        assert not is_idle.is_set()
        leave.set()
    assert (gate.inside, is_idle.is_set()) == (0, True)
