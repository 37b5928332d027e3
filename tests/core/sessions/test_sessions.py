from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.path_storage import InlineEngine, InlinePath, nothing
from tests.fakes.session_world import ONE, TWO, Emit, World, done, running, workers
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.events import MessageEnd, RunError, Token
from xopc.contracts.transcript import Message, Role, RunResult, RunState, Usage
from xopc.core.sessions.sessions import IDLE_SECONDS, MAX_TURNS, NOT_BEGUN, Sessions
from xopc.core.sessions.turns import DELETED, GOES_ON
from xopc.storage.base import StorageError
from xopc.storage.path.base import Turn, TurnEnd
from xopc.storage.path.outbox import lane_of

# --------------------------------------------------------------------- turns


async def test_a_message_is_answered_committed_and_told_to_everybody(storage: InlinePath) -> None:
    world = World(storage)
    async with running(world), world.hub.subscribe() as heard:
        await world.accept("r1")
        result = await world.sessions.wait("r1")
        events = await heard.receive()
    assert result == RunResult("r1", ONE, RunState.DONE, "Hello", "offline/echo", Usage(3, 2))
    assert await storage.result("r1") == result
    assert world.woken == [lane_of("telegram", "default", "1")]
    row = await storage.outbox_head(world.woken[0])
    assert row is not None
    assert row.outbound.text == "Hello"
    assert [(event.type, event.data) for event in events] == [
        ("session.updated", {"key": ONE}),
        ("agent.stream", {"sessionKey": ONE, "runId": "r1", "event": {"type": "token", "content": "Hel"}}),
        ("session.updated", {"key": ONE}),
    ]
    assert await world.events("r1") == [Token("Hel")]
    assert [entry.message.content for entry in await storage.messages(ONE, 10)] == ["to r1", "Hello"]


async def test_nothing_is_told_before_it_is_committed(storage: InlinePath) -> None:
    world = World(storage)
    told_early: list[str] = []

    async def look(transaction: str) -> None:
        await wait_all_tasks_blocked()
        if transaction == "finish" and not world.runs.is_open("r1"):
            told_early.append("run")
        if transaction == "finish" and world.woken:
            told_early.append("outbox")

    storage.disk.after_commit = look
    async with running(world):
        await world.accept("r1")
        await world.sessions.wait("r1")
    assert told_early == []


async def test_turns_of_one_session_are_serial_and_in_order(storage: InlinePath) -> None:
    world = World(storage)
    async with running(world, go=False):
        for run_id in ("r1", "r2", "r3"):
            await world.accept(run_id)
        await wait_all_tasks_blocked()
        assert world.begun == ["r1"]
        assert world.sessions.waiting(ONE) == 2
        world.go.set()
        await world.sessions.wait("r3")
    assert world.begun == ["r1", "r2", "r3"]
    assert world.most_at_once == 1


async def test_sessions_work_side_by_side_up_to_a_limit(storage: InlinePath) -> None:
    world = World(storage)
    async with running(world, go=False):
        for number in range(MAX_TURNS + 2):
            await world.accept(f"r{number}", f"main:telegram:default:dm:{number}")
        await wait_all_tasks_blocked()
        assert len(world.begun) == MAX_TURNS
        world.go.set()
        for number in range(MAX_TURNS + 2):
            await world.sessions.wait(f"r{number}")
    assert world.most_at_once == MAX_TURNS


async def test_an_idle_worker_is_reaped_and_a_new_message_starts_another(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage)
    async with running(world):
        await world.accept("r1")
        await world.sessions.wait("r1")
        await trio.sleep(IDLE_SECONDS - 1)
        assert workers() == [f"session {ONE}"]
        await trio.sleep(2)
        assert workers() == []
        await world.accept("r2")
        assert (await world.sessions.wait("r2")).state is RunState.DONE


async def test_a_session_is_busy_from_the_acceptance_of_a_message_to_its_answer(storage: InlinePath) -> None:
    world = World(storage)
    async with running(world, go=False):
        assert not world.sessions.is_busy(ONE)
        await world.accept("r1")
        assert world.sessions.is_busy(ONE)
        await wait_all_tasks_blocked()
        assert world.sessions.is_busy(ONE)
        assert not world.sessions.is_busy(TWO)
        world.go.set()
        await world.sessions.wait("r1")
        await wait_all_tasks_blocked()
        assert not world.sessions.is_busy(ONE)


async def test_a_message_that_comes_while_the_sessions_recover_is_answered(storage: InlinePath) -> None:
    world = World(storage)

    async def come(transaction: str) -> None:
        if transaction == "recover":
            storage.disk.after_commit = nothing
            await world.accept("r1")

    storage.disk.after_commit = come
    async with running(world):
        assert (await world.sessions.wait("r1")).state is RunState.DONE


async def test_a_result_without_a_last_message_is_what_the_agent_said_last(storage: InlinePath) -> None:
    world = World(storage)

    def fail(turn: Turn, emit: Emit) -> TurnEnd:
        emit(Token("lo"))
        emit(MessageEnd())
        return TurnEnd(RunState.FAILED, None, error="The model is gone.")

    world.answer = fail
    async with running(world):
        await world.accept("r1")
        result = await world.sessions.wait("r1")
    assert (result.state, result.reply, result.error) == (RunState.FAILED, "Hello", "The model is gone.")


# --------------------------------------------------------------------- waits


async def test_a_run_that_ended_earlier_is_known_by_another_process(disk: InlineEngine) -> None:
    world = World(InlinePath(disk))
    async with running(world):
        await world.accept("r1")
        result = await world.sessions.wait("r1")
    async with running(World(InlinePath(disk), "boot-2")) as later:
        assert await later.sessions.wait("r1") == result
        assert (await later.sessions.attach("r1")) == result
        assert "r1" not in later.runs


async def test_an_unknown_run_is_not_waited_for(storage: InlinePath) -> None:
    async with running(World(storage)) as world:
        with pytest.raises(XopcError) as caught:
            await world.sessions.wait("r1")
    assert caught.value.failure is Failure.NOT_FOUND


async def test_a_run_that_another_process_accepted_can_be_waited_for_and_followed(disk: InlineEngine) -> None:
    first = World(InlinePath(disk))
    await first.accept("r1")
    await first.accept("r2")
    async with running(World(InlinePath(disk), "boot-2"), go=False) as world:
        assert (await world.sessions.attach("r2")).state is RunState.RUNNING
        async with world.runs.follow("r2") as stream:
            world.go.set()
            assert [event async for _, event in stream] == [Token("Hel")]
        assert (await world.sessions.wait("r2")).state is RunState.DONE


# -------------------------------------------------------------------- aborts


async def test_an_aborted_turn_keeps_what_it_has_said_and_sends_nothing(storage: InlinePath) -> None:
    world = World(storage)
    async with running(world, go=False):
        await world.accept("r1")
        await wait_all_tasks_blocked()
        assert world.sessions.abort("r1")
        result = await world.sessions.wait("r1")
        assert not world.sessions.abort("r1")
    assert (result.state, result.reply) == (RunState.ABORTED, "Hel")
    assert await storage.result("r1") == result
    assert world.woken == []
    assert [entry.message.content for entry in await storage.messages(ONE, 10)] == ["to r1", "Hel"]


async def test_a_turn_that_has_said_nothing_is_aborted_without_a_message(storage: InlinePath) -> None:
    world = World(storage)

    async def think(turn: Turn, emit: Emit) -> TurnEnd:
        emit(Token("Wrong"))
        emit(Token(" ", reset=True))
        world.begun.append(turn.run_id)
        await trio.sleep_forever()
        return done(turn)

    world.sessions = Sessions(storage, think, world.runs, world.hub, world.woken.extend, world.boot_id)
    async with running(world):
        await world.accept("r1")
        await wait_all_tasks_blocked()
        world.sessions.abort("r1")
        await world.sessions.wait("r1")
    assert [entry.message.role for entry in await storage.messages(ONE, 10)] == [Role.USER]


async def test_a_run_that_waits_is_aborted_at_once_and_never_begins(storage: InlinePath) -> None:
    world = World(storage)
    async with running(world, go=False):
        for run_id in ("r1", "r2", "r3"):
            await world.accept(run_id)
        await wait_all_tasks_blocked()
        assert world.sessions.abort("r2")
        assert not world.sessions.abort("r2")
        assert (await world.sessions.wait("r2")).state is RunState.ABORTED
        world.go.set()
        await world.sessions.wait("r3")
    assert world.begun == ["r1", "r3"]


async def test_a_run_that_is_claimed_while_it_is_aborted_never_begins(storage: InlinePath) -> None:
    world = World(storage)

    async def abort(transaction: str) -> None:
        if transaction == "claim" and world.sessions.abort("r1"):
            await wait_all_tasks_blocked()

    storage.disk.after_commit = abort
    async with running(world):
        await world.accept("r1")
        assert (await world.sessions.wait("r1")).state is RunState.ABORTED
        await world.accept("r2")
        assert (await world.sessions.wait("r2")).state is RunState.DONE
    assert world.begun == ["r2"]


async def test_an_abort_that_cannot_be_stored_is_stored_when_the_turn_of_the_run_comes(storage: InlinePath) -> None:
    world = World(storage)
    async with running(world, go=False):
        await world.accept("r1")
        await world.accept("r2")
        await wait_all_tasks_blocked()
        storage.disk.full = True
        assert world.sessions.abort("r2")
        await wait_all_tasks_blocked()
        storage.disk.full = False
        world.go.set()
        assert (await world.sessions.wait("r2")).state is RunState.ABORTED
    assert world.begun == ["r1"]


async def test_a_turn_that_is_aborted_as_its_step_cannot_be_stored_is_not_run_again(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage)

    def answer(turn: Turn, emit: Emit) -> TurnEnd:
        assert world.sessions.abort("r1")
        raise StorageError("Nothing was stored: the disk is full")

    world.answer = answer
    async with running(world):
        await world.accept("r1")
        assert (await world.sessions.wait("r1")).state is RunState.ABORTED
    assert world.begun == ["r1"]


async def test_abort_comes_too_late_for_a_turn_that_is_being_committed(storage: InlinePath) -> None:
    world = World(storage)
    late: list[bool] = []

    async def abort(transaction: str) -> None:
        if transaction == "finish":
            late.append(world.sessions.abort("r1"))

    storage.disk.after_commit = abort
    async with running(world):
        await world.accept("r1")
        assert (await world.sessions.wait("r1")).state is RunState.DONE
    assert late == [False]


async def test_an_unknown_run_cannot_be_aborted(storage: InlinePath) -> None:
    async with running(World(storage)) as world:
        assert not world.sessions.abort("r1")


async def test_abort_session_stops_all_of_it_and_nothing_else(storage: InlinePath) -> None:
    world = World(storage)
    async with running(world, go=False):
        for run_id in ("r1", "r2", "r3"):
            await world.accept(run_id)
        await world.accept("other", TWO)
        await wait_all_tasks_blocked()
        await world.sessions.abort_session(ONE)
        assert not world.sessions.is_busy(ONE)
        assert await storage.delete_session(ONE)
        await wait_all_tasks_blocked()
        assert world.begun == ["r1", "other"]
        world.go.set()
        assert (await world.sessions.wait("other")).state is RunState.DONE
    for run_id in ("r1", "r2", "r3"):
        assert (await world.runs.wait(run_id)).state is RunState.ABORTED


async def test_abort_session_does_not_wait_through_a_drain(storage: InlinePath, autojump_clock: MockClock) -> None:
    async with running(World(storage), go=False) as world:
        await world.accept("r1")
        await world.accept("r2")
        await wait_all_tasks_blocked()
        storage.disk.full = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.sessions.abort_session, ONE)
            await trio.sleep(10)
            with trio.move_on_after(4):
                await world.sessions.drain()
    assert trio.current_time() == 14


# ------------------------------------------------------- a storage that fails


async def test_a_turn_whose_step_cannot_be_stored_is_tried_again(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage)
    tries: list[float] = []

    def answer(turn: Turn, emit: Emit) -> TurnEnd:
        tries.append(trio.current_time())
        if len(tries) < 4:
            raise StorageError("Nothing was stored: the disk is full")
        return done(turn)

    world.answer = answer
    async with running(world):
        await world.accept("r1")
        assert (await world.sessions.wait("r1")).state is RunState.DONE
    assert tries == [0, 1, 3, 7]
    assert await world.events("r1") == [Token("Hel"), *[Token("", reset=True), Token("Hel")] * 3]


async def test_an_end_that_cannot_be_stored_is_stored_later_without_asking_the_model_again(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage)

    def answer(turn: Turn, emit: Emit) -> TurnEnd:
        storage.disk.full = True
        return done(turn)

    world.answer = answer
    async with running(world):
        await world.accept("r1")
        await trio.sleep(100)
        assert world.runs.is_open("r1")
        storage.disk.full = False
        assert (await world.sessions.wait("r1")).state is RunState.DONE
    assert world.begun == ["r1"]
    assert storage.disk.refused == 8  # after 0, 1, 3, 7, 15, 31, 61 and 91 s: the pauses stop growing at 30 s


async def test_a_storage_that_fails_stops_no_worker_and_not_the_start(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage)
    await world.accept("r1")
    storage.disk.full = True
    async with trio.open_nursery() as nursery:
        world.go.set()
        nursery.start_soon(partial(nursery.start, world.sessions.run))
        await trio.sleep(10)
        storage.disk.full = False
        assert (await world.sessions.wait("r1")).state is RunState.DONE
        storage.disk.full = True
        world.sessions.wake(ONE)
        await trio.sleep(10)
        storage.disk.full = False
        await world.accept("r2")
        assert (await world.sessions.wait("r2")).state is RunState.DONE
        nursery.cancel_scope.cancel()


async def test_an_agent_that_breaks_does_not_take_the_other_sessions_with_it(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage)

    def answer(turn: Turn, emit: Emit) -> TurnEnd:
        if turn.session_key == ONE and trio.current_time() < 1.5:
            raise ZeroDivisionError
        return done(turn)

    world.answer = answer
    async with running(world):
        await world.accept("r1")
        await world.accept("r2", TWO)
        assert (await world.sessions.wait("r2")).state is RunState.DONE
        assert trio.current_time() < 1
        assert (await world.sessions.wait("r1")).state is RunState.DONE


async def test_a_run_that_is_deleted_under_its_worker_ends_for_those_who_wait(storage: InlinePath) -> None:
    world = World(storage)

    async def deleted(turn: Turn, emit: Emit) -> TurnEnd:
        await storage.delete_session(ONE)
        await storage.step(turn.run_id, Message(Role.ASSISTANT, "Hello"))
        return done(turn)

    world.sessions = Sessions(storage, deleted, world.runs, world.hub, world.woken.extend, world.boot_id)
    async with running(world):
        await world.accept("r1")
        await world.accept("r2")
        for run_id in ("r1", "r2"):
            result = await world.sessions.wait(run_id)
            assert (result.state, result.error) == (RunState.ABORTED, DELETED)
        await wait_all_tasks_blocked()
        assert not world.sessions.is_busy(ONE)


# --------------------------------------------------------------------- drain


async def test_a_drain_waits_for_the_turns_that_run_and_begins_no_other(storage: InlinePath) -> None:
    world = World(storage)
    async with running(world, go=False):
        await world.accept("r1")
        await world.accept("r2")
        await wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.sessions.drain)
            await wait_all_tasks_blocked()
            with pytest.raises(XopcError, match=GOES_ON):
                await world.sessions.wait("r2")
            assert world.runs.is_open("r1")
            await world.accept("r3", TWO)
            world.go.set()
        assert (await world.sessions.wait("r1")).state is RunState.DONE
        await wait_all_tasks_blocked()
        assert workers() == []
    assert world.begun == ["r1"]


async def test_a_drain_of_idle_sessions_ends_at_once(storage: InlinePath, autojump_clock: MockClock) -> None:
    async with running(World(storage)) as world:
        await world.accept("r1")
        await world.sessions.wait("r1")
        await world.sessions.drain()
        assert trio.current_time() == 0
        await world.accept("r2")
        with pytest.raises(XopcError) as caught:
            await world.sessions.wait("r2")
    assert caught.value.failure is Failure.UNAVAILABLE


async def test_a_turn_that_the_drain_cuts_keeps_its_steps_and_the_next_generation_goes_on(disk: InlineEngine) -> None:
    storage = InlinePath(disk)
    world = World(storage)
    hello = Message(Role.ASSISTANT, "Let me see.")

    async def two_steps(turn: Turn, emit: Emit) -> TurnEnd:
        await storage.step(turn.run_id, hello)
        emit(Token("Hel"))
        await trio.sleep_forever()
        return done(turn)

    world.sessions = Sessions(storage, two_steps, world.runs, world.hub, world.woken.extend, world.boot_id)
    async with running(world):
        await world.accept("r1")
        await wait_all_tasks_blocked()
        with trio.move_on_after(0.01):
            await world.sessions.drain()
    assert await world.events("r1") == [Token("Hel"), RunError(GOES_ON)]
    assert (await world.runs.wait("r1")).state is RunState.RUNNING

    later = World(storage, runs=world.runs)
    async with running(later):
        assert (await later.sessions.wait("r1")).reply == "Hello"
    (turn,) = later.turns
    assert [entry.message.content for entry in turn.steps] == ["to r1", "Let me see."]
    assert await later.events("r1") == [Token("Hel")]


async def test_a_bound_message_that_was_not_begun_with_is_forgotten_by_the_drain(disk: InlineEngine) -> None:
    storage = InlinePath(disk)
    world = World(storage)
    async with running(world, go=False):
        await world.accept("r1", bound=True)
        await world.accept("r2", bound=True)
        await world.accept("r3", bound=True)
        await world.accept("r4")
        await storage.keep("r3")
        await wait_all_tasks_blocked()
        refusals: dict[str, str] = {}

        async def wait(run_id: str) -> None:
            with pytest.raises(XopcError) as caught:
                await world.sessions.wait(run_id)
            assert caught.value.failure is Failure.UNAVAILABLE
            refusals[run_id] = caught.value.message

        async with trio.open_nursery() as nursery:
            for run_id in ("r2", "r3", "r4"):
                nursery.start_soon(wait, run_id)
            await wait_all_tasks_blocked()
            nursery.start_soon(world.sessions.drain)
            await wait_all_tasks_blocked()
            world.go.set()
    assert refusals == {"r2": NOT_BEGUN, "r3": GOES_ON, "r4": GOES_ON}
    assert await storage.result("r2") is None
    async with running(World(storage)) as later:
        assert (await later.sessions.wait("r3")).state is RunState.DONE
        assert (await later.sessions.wait("r4")).state is RunState.DONE
    assert later.begun == ["r3", "r4"]


async def test_a_drain_on_a_full_disk_forgets_nothing(storage: InlinePath) -> None:
    world = World(storage)
    async with running(world, go=False):
        await world.accept("r1")
        await world.accept("r2", bound=True)
        await wait_all_tasks_blocked()
        storage.disk.full = True
        with trio.move_on_after(0.01):
            await world.sessions.drain()
    assert (await world.runs.wait("r2")).state is RunState.RUNNING


async def test_a_turn_that_was_claimed_as_the_drain_began_is_left_to_the_next_generation(disk: InlineEngine) -> None:
    storage = InlinePath(disk)
    world = World(storage)

    async def drain(transaction: str) -> None:
        if transaction == "claim":
            await world.sessions.drain()
            storage.disk.after_commit = nothing

    storage.disk.after_commit = drain
    async with running(world):
        await world.accept("r1")
        await wait_all_tasks_blocked()
        with pytest.raises(XopcError, match=GOES_ON):
            await world.sessions.wait("r1")
    assert world.begun == []
    async with running(World(storage)) as later:
        assert (await later.sessions.wait("r1")).state is RunState.DONE


async def test_what_another_boot_left_claimed_is_taken_up(disk: InlineEngine) -> None:
    dead = World(InlinePath(disk))
    await dead.accept("r1")
    await dead.accept("r2", bound=True)
    await dead.storage.claim(ONE, "boot-1")
    async with running(World(InlinePath(disk), "boot-2")) as world:
        assert (await world.sessions.wait("r1")).state is RunState.DONE
        assert (await world.sessions.wait("r2")).state is RunState.INTERRUPTED
    assert world.begun == ["r1"]


async def test_what_waits_since_an_earlier_process_counts_and_can_be_aborted(disk: InlineEngine) -> None:
    first = World(InlinePath(disk))
    for run_id in ("r1", "r2", "r3"):
        await first.accept(run_id)
    async with running(World(InlinePath(disk), "boot-2"), go=False) as world:
        await wait_all_tasks_blocked()
        assert (world.begun, world.sessions.waiting(ONE), world.sessions.is_busy(ONE)) == (["r1"], 2, True)
        assert world.sessions.abort("r2")
        assert (await world.sessions.wait("r2")).state is RunState.ABORTED
        world.go.set()
        assert (await world.sessions.wait("r3")).state is RunState.DONE
    assert world.begun == ["r1", "r3"]
