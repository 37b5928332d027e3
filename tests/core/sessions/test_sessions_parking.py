"""What fails again and again is parked; and the order of a chat that moves from one session to another."""

from __future__ import annotations

import sqlite3

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.path_storage import InlineEngine, InlinePath
from tests.fakes.session_world import ONE, TWO, Emit, World, done, running, workers
from xopc.contracts.errors import XopcError
from xopc.contracts.events import RunError, Token
from xopc.contracts.messages import InboxState
from xopc.contracts.transcript import RunState
from xopc.core.sessions.parking import APOLOGY
from xopc.core.sessions.turns import GOES_ON
from xopc.storage.path.base import Turn, TurnEnd
from xopc.storage.path.outbox import lane_of


def breaking(world: World, *broken: str) -> None:
    """Let these turns fail in a way that nobody has thought of."""

    def answer(turn: Turn, emit: Emit) -> TurnEnd:
        if turn.run_id in broken:
            raise ZeroDivisionError
        return done(turn)

    world.answer = answer


async def test_a_message_that_fails_three_times_is_parked_and_its_session_goes_on(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage)
    breaking(world, "r1")
    async with running(world), world.hub.subscribe(types=("message.parked",)) as heard:
        await world.accept("r1")
        await world.accept("r2")
        result = await world.sessions.wait("r1")
        assert (await world.sessions.wait("r2")).state is RunState.DONE
        (event,) = await heard.receive()
    assert world.begun == ["r1", "r1", "r1", "r2"]
    assert (result.state, result.reply) == (RunState.FAILED, "")
    assert result.error == (
        "Given up after 3 attempts: It failed inside (ZeroDivisionError); the log says more: xopc gateway logs. "
        "To try it again: xopc inbox retry r1"
    )
    assert event.data == {"sessionKey": ONE, "runId": "r1", "error": result.error}
    assert await storage.result("r1") == result
    (row,) = await storage.inbox(InboxState.PARKED, 10)
    assert (row.run_id, row.attempts) == ("r1", 3)


async def test_whoever_wrote_and_whoever_follows_is_told_that_a_message_is_given_up(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage)
    breaking(world, "r1")
    async with running(world):
        await world.accept("r1")
        error = (await world.sessions.wait("r1")).error
        assert (await world.events("r1"))[-1] == RunError(error or "")
    row = await storage.outbox_head(lane_of("telegram", "default", "1"))
    assert row is not None
    assert (row.outbound.text, row.outbound.address.chat) == (APOLOGY, "1")
    assert world.woken == [lane_of("telegram", "default", "1")]


async def test_what_three_processes_died_of_is_parked_by_the_fourth(disk: InlineEngine) -> None:
    await World(InlinePath(disk)).accept("r1")
    for number in range(3):
        dying = InlinePath(disk)
        await dying.recover(f"boot-{number}")
        assert await dying.claim(ONE, f"boot-{number}")
    async with running(World(InlinePath(disk), "boot-3")) as world:
        result = await world.sessions.wait("r1")
    assert (result.state, world.begun) == (RunState.FAILED, [])
    assert result.error == (
        "Given up after 3 attempts: The gateway's process died in the middle of it. "
        "To try it again: xopc inbox retry r1"
    )


async def test_a_turn_that_a_drain_cuts_has_not_failed_however_often(disk: InlineEngine) -> None:
    await World(InlinePath(disk)).accept("r1")
    for number in range(4):
        async with running(World(InlinePath(disk), f"boot-{number}"), go=False):
            await wait_all_tasks_blocked()
    async with running(World(InlinePath(disk), "boot-4")) as world:
        assert (await world.sessions.wait("r1")).state is RunState.DONE
    assert world.turns[0].attempts == 0


async def test_a_release_that_cannot_be_stored_counts_as_a_crash(disk: InlineEngine) -> None:
    storage = InlinePath(disk)
    async with running(World(storage), go=False) as world:
        await world.accept("r1")
        await wait_all_tasks_blocked()
        disk.full = True
    disk.full = False
    async with running(World(InlinePath(disk), "boot-2")) as later:
        await later.sessions.wait("r1")
    assert later.turns[0].attempts == 1


async def test_last_attempts_are_made_one_after_the_other(disk: InlineEngine) -> None:
    """Two turns ran when two processes died: the one that is not to blame must not be parked with the other."""
    first = World(InlinePath(disk))
    await first.accept("r1")
    await first.accept("r2", TWO)
    for number in range(2):
        dying = InlinePath(disk)
        await dying.recover(f"boot-{number}")
        assert await dying.claim(ONE, f"boot-{number}")
        assert await dying.claim(TWO, f"boot-{number}")
    async with running(World(InlinePath(disk), "boot-2"), go=False) as world:
        await world.accept("r3", "main:telegram:default:dm:3")
        await wait_all_tasks_blocked()
        assert len(world.begun) == 2
        assert "r3" in world.begun
        world.go.set()
        for run_id in ("r1", "r2"):
            assert (await world.sessions.wait(run_id)).state is RunState.DONE


def damage(connection: sqlite3.Connection, run_id: str) -> None:
    connection.execute("UPDATE inbox SET inbound = '{}' WHERE run_id = ?", (run_id,))


async def test_a_message_that_cannot_be_read_is_parked_and_those_who_wait_for_it_are_told(
    disk: InlineEngine, autojump_clock: MockClock
) -> None:
    world = World(InlinePath(disk))
    await world.accept("r1")
    await world.accept("r2")
    await disk.write(damage, "r1")
    async with running(world):
        assert (await world.sessions.wait("r1")).state is RunState.FAILED
        assert (await world.sessions.wait("r2")).state is RunState.DONE
    (row,) = await world.storage.inbox(InboxState.PARKED, 10)
    assert (row.run_id, row.inbound) == ("r1", None)


async def test_a_parked_message_that_is_retried_is_answered_behind_those_that_wait(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage)
    breaking(world, "r1")
    async with running(world):
        await world.accept("r1")
        await world.sessions.wait("r1")
        world.go = trio.Event()
        await world.accept("r2")
        await world.accept("r3")
        await wait_all_tasks_blocked()
        breaking(world)
        assert await world.sessions.retry("r1")
        assert not await world.sessions.retry("r1")
        assert world.sessions.waiting(ONE) == 2
        async with world.runs.follow("r1") as stream:
            world.go.set()
            assert [event async for _, event in stream] == [Token("Hel")]
        assert (await world.sessions.wait("r1")).state is RunState.DONE
    assert world.begun == ["r1", "r1", "r1", "r2", "r3", "r1"]
    assert [entry.run_id for entry in await storage.messages(ONE, 10)] == ["r1", "r2", "r2", "r3", "r3", "r1", "r1"]


async def test_what_is_retried_during_a_drain_is_left_to_the_next_generation(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage)
    breaking(world, "r1")
    async with running(world):
        await world.accept("r1")
        await world.sessions.wait("r1")
        await world.sessions.drain()
        assert await world.sessions.retry("r1")
        with pytest.raises(XopcError, match=GOES_ON):
            await world.sessions.wait("r1")
    async with running(World(storage)) as later:
        assert (await later.sessions.wait("r1")).state is RunState.DONE


# ---------------------------------------------------------------- moved chats


async def test_a_chat_that_was_moved_to_another_session_is_answered_in_the_order_of_its_messages(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    """As when `session.dmScope` changes while messages wait."""
    world = World(storage)
    async with running(world, go=False):
        await world.accept("r1", ONE, chat="7")
        await world.accept("r2", ONE, chat="7")
        await world.accept("r3", TWO, chat="7")
        await world.accept("r4", "main:telegram:default:dm:8")
        await wait_all_tasks_blocked()
        assert sorted(world.begun) == ["r1", "r4"]
        world.go.set()
        assert (await world.sessions.wait("r3")).state is RunState.DONE
    assert [run_id for run_id in world.begun if run_id != "r4"] == ["r1", "r2", "r3"]


async def test_a_chat_does_not_wait_for_a_session_whose_messages_were_deleted(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage)
    async with running(world, go=False):
        await world.accept("r1", ONE, chat="7")
        await world.accept("r2", TWO, chat="7")
        await wait_all_tasks_blocked()
        await world.sessions.abort_session(ONE)
        await storage.delete_session(ONE)
        world.go.set()
        assert (await world.sessions.wait("r2")).state is RunState.DONE


async def test_a_drain_does_not_wait_for_a_chat_that_is_held(storage: InlinePath, autojump_clock: MockClock) -> None:
    world = World(storage)
    async with running(world, go=False):
        await world.accept("r1", ONE, chat="7")
        await world.accept("r2", TWO, chat="7")
        await wait_all_tasks_blocked()
        with trio.move_on_after(1):
            await world.sessions.drain()
        await wait_all_tasks_blocked()
        assert workers() == [f"session {ONE}"]
    assert world.begun == ["r1"]
