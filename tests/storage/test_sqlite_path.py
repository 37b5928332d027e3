"""The methods over a real file; what each transaction does in detail is tested beside its function."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
import trio
from attrs import evolve

from tests.storage.values import CHAT, DAY_SECONDS, KEY, OTHER_KEY, acceptance, done, outbound, said, tool_result
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.messages import InboxState, OutboxState
from xopc.contracts.transcript import RunState
from xopc.storage.apart import QUICK_ROWS
from xopc.storage.base import Storage, StorageError
from xopc.storage.path.base import Accepted, Cursor, PathStorage
from xopc.storage.path.inbox import InboxPlace
from xopc.storage.path.outbox import Attempt, OutboxQuery, Pause, Removal, Selection, lane_of
from xopc.storage.path.sessions import SessionQuery
from xopc.storage.sqlite import open_storage

LANE = lane_of(CHAT.channel, CHAT.account, CHAT.chat)


class Clock:
    """A clock that is set by hand."""

    now = 1_700_000_000.25

    def __call__(self) -> float:
        return self.now


async def test_a_message_goes_all_the_way(path: Path) -> None:
    async with open_storage(path) as opened:
        storage: PathStorage = opened
        whole: Storage = opened
        assert await whole.last_restart() is None
        accepted = await storage.accept([acceptance("run-1")], Cursor("telegram", "default", "18"))
        assert accepted == [Accepted("run-1", duplicate=False)]
        assert await storage.cursor("telegram", "default") == "18"

        assert await storage.recover("boot-1") == [KEY]
        turn = await storage.claim(KEY, "boot-1")
        assert turn is not None
        call = await storage.step("run-1", said("", "c1"))
        answer = await storage.step("run-1", tool_result("c1"))
        (row_id,) = await storage.finish("run-1", done("Noon.", outbound("Noon.")))
        result = await storage.result("run-1")
        assert result is not None
        assert (result.state, result.reply) == (RunState.DONE, "Noon.")
        history = await storage.history(KEY, 100)
        assert history[:3] == [*turn.steps, call, answer]
        assert await storage.messages(KEY, 100) == history
        assert await storage.messages(KEY, 1, before=answer.seq) == [call]

        (lane,) = await storage.outbox_lanes("", 10)
        head = await storage.outbox_head(lane.lane)
        assert head is not None
        assert head.id == row_id
        assert await storage.begin_attempt(row_id)
        assert await storage.recover_outbox() == 1
        assert await storage.begin_attempt(row_id)
        await storage.record_part(row_id, 1, "99")
        await storage.settle(row_id, Attempt(OutboxState.SENT))
        row = await storage.outbox_row(row_id)
        assert row is not None
        assert (row.attempts, row.platform_ids, row.possible_duplicate) == (2, ("99",), True)
        assert (await storage.outbox(OutboxQuery((OutboxState.SENT,), 10))).rows == (row,)
        assert await storage.outbox_head(LANE) is None


async def test_sessions_are_made_found_changed_and_deleted(path: Path) -> None:
    async with open_storage(path) as storage:
        made = await storage.create_session(OTHER_KEY, "chat_1")
        assert await storage.empty_session("webchat", "main") == made
        await storage.set_model(OTHER_KEY, "a/b")
        await storage.reset_session(OTHER_KEY)
        session = await storage.session(OTHER_KEY)
        assert session is not None
        assert session.model == "a/b"
        assert await storage.sessions(SessionQuery(search="CHAT")) == ([session], 1)
        assert await storage.delete_session(OTHER_KEY)
        assert await storage.session(OTHER_KEY) is None


async def test_bound_messages_are_kept_and_withdrawn(path: Path) -> None:
    async with open_storage(path) as storage:
        await storage.accept([acceptance(run_id, bound=True) for run_id in ("kept", "withdrawn")])
        await storage.keep("kept")
        assert not await storage.withdraw("kept")
        assert await storage.withdraw("withdrawn")
        assert await storage.result("withdrawn") is None


async def test_a_batch_with_one_bad_message_leaves_nothing_behind(path: Path) -> None:
    async with open_storage(path) as storage:
        with pytest.raises(XopcError) as raised:
            await storage.accept(
                [acceptance("run-1"), acceptance("run-2", "nowhere")], Cursor("telegram", "default", "18")
            )
        assert raised.value.failure is Failure.INVALID_REQUEST
        assert await storage.result("run-1") is None
        assert await storage.session(KEY) is None
        assert await storage.cursor("telegram", "default") is None
        with pytest.raises(StorageError, match="UNIQUE constraint failed"):
            await storage.accept([acceptance("run-1"), evolve(acceptance("run-2"), run_id="run-1")])
        assert await storage.result("run-1") is None


async def test_an_end_whose_answers_cannot_be_stored_is_no_end(path: Path) -> None:
    async with open_storage(path) as storage:
        await storage.accept([acceptance("run-1")])
        await storage.claim(KEY, "boot-1")
        with pytest.raises(AttributeError):
            await storage.finish("run-1", done("hi", outbound("hi"), None))  # type: ignore[arg-type]  # on purpose
        assert await storage.outbox_lanes("", 10) == []
        assert len(await storage.messages(KEY, 10)) == 1
        assert len(await storage.finish("run-1", done("hi", outbound("hi")))) == 1


async def test_bound_messages_that_wait_end_with_the_process_and_not_with_a_generation(path: Path) -> None:
    async with open_storage(path) as storage:
        await storage.accept([acceptance("run-1", bound=True)])
        assert await storage.recover("boot-1") == [KEY]
    async with open_storage(path) as storage:
        assert await storage.recover("boot-2") == []
        result = await storage.result("run-1")
        assert result is not None
        assert result.state is RunState.INTERRUPTED


async def test_times_are_those_of_the_clock(path: Path) -> None:
    clock = Clock()
    async with open_storage(path, clock=clock) as storage:
        await storage.create_session(KEY, "4711")
        clock.now += 1
        await storage.accept([acceptance("run-1")])
        turn = await storage.claim(KEY, "boot-1")
        assert turn is not None
        assert turn.steps[0].at == clock.now
        session = await storage.session(KEY)
        assert session is not None
        assert (session.created_at, session.updated_at) == (clock.now - 1, clock.now)
        row_id, _ = await storage.enqueue(outbound("hi"))
        row = await storage.outbox_row(row_id)
        assert row is not None
        assert row.created_at == clock.now


async def test_a_key_is_known_for_a_day(path: Path) -> None:
    clock = Clock()
    async with open_storage(path, clock=clock) as storage:
        row_id, is_known = await storage.enqueue(outbound("hi"), "key")
        assert not is_known
        assert await storage.enqueue(outbound("hi"), "key") == (row_id, True)
        with pytest.raises(XopcError, match="used for another message"):
            await storage.enqueue(outbound("ho"), "key")
        await storage.settle(row_id, Attempt(OutboxState.SENT))
        clock.now += DAY_SECONDS
        assert (await storage.enqueue(outbound("ho"), "key"))[0] != row_id


async def test_ids_of_the_outbox_sort_as_they_were_stored(path: Path) -> None:
    async with open_storage(path) as storage:
        await storage.accept([acceptance("run-1")])
        first, _ = await storage.enqueue(outbound("hi"))
        rows = await storage.finish("run-1", done("x", *(outbound(f"part {n}") for n in range(20))))
        last, _ = await storage.enqueue(outbound("bye"))
        row_ids = [first, *rows, last]
        assert row_ids == sorted(set(row_ids))
        assert all(row_id.startswith("msg_") and UUID(row_id[4:]).version == 7 for row_id in row_ids)
        page = await storage.outbox(OutboxQuery((OutboxState.PENDING,), 100))
        assert [row.id for row in page.rows] == row_ids[::-1]


@pytest.mark.parametrize("limit", [QUICK_ROWS - 1, QUICK_ROWS, 5 * QUICK_ROWS])
async def test_a_long_page_is_read_apart_and_is_the_same(path: Path, limit: int) -> None:
    async with open_storage(path) as storage:
        await storage.accept([acceptance(f"run-{number}") for number in range(3)])
        await storage.enqueue(outbound("hi"))
        assert len(await storage.inbox(InboxState.WAITING, limit)) == 3
        assert len(await storage.inbox(InboxState.WAITING, limit, InboxPlace(0, 3))) == 2
        assert len((await storage.outbox(OutboxQuery((OutboxState.PENDING,), limit))).rows) == 1
        assert len((await storage.sessions(SessionQuery(limit=limit)))[0]) == 1


async def test_dead_messages_are_retried_and_deleted(path: Path) -> None:
    async with open_storage(path) as storage:
        row_id, _ = await storage.enqueue(outbound("hi"))
        await storage.settle(row_id, Attempt(OutboxState.DEAD, "blocked"))
        assert await storage.retry_dead(row_id)
        await storage.settle(row_id, Attempt(OutboxState.DEAD, "blocked"))
        assert await storage.retry_all_dead(Selection()) == (1, {LANE})
        assert await storage.remove(row_id) is Removal.CANCELLED
        row_id, _ = await storage.enqueue(outbound("hi"))
        pause = Pause("telegram", "default", 200, 100, "flood")
        assert await storage.settle(row_id, Attempt(OutboxState.DEAD, "blocked", account_pause=pause))
        assert await storage.outbox_pauses() == [pause]
        assert await storage.delete_all_dead(Selection()) == 1
        assert await storage.outbox_row(row_id) is None


async def test_pruning_forgets_what_is_old_on_both_sides(path: Path) -> None:
    clock = Clock()
    async with open_storage(path, clock=clock) as storage:
        await storage.accept([acceptance("run-1")])
        (row_id,) = await storage.finish("run-1", done("hi", outbound("hi")))
        await storage.settle(row_id, Attempt(OutboxState.SENT))
        await storage.prune(clock.now + DAY_SECONDS)
        assert await storage.result("run-1") is not None
        assert await storage.outbox_row(row_id) is not None
        await storage.prune(clock.now + DAY_SECONDS + 1)
        assert await storage.result("run-1") is None
        assert await storage.outbox_row(row_id) is None


async def test_the_same_message_from_many_callers_is_accepted_once(path: Path) -> None:
    accepted: list[Accepted] = []
    async with open_storage(path) as storage, trio.open_nursery() as nursery:

        async def accept(number: int) -> None:
            accepted.extend(await storage.accept([evolve(acceptance("run"), run_id=f"run-{number}")]))

        for number in range(50):
            nursery.start_soon(accept, number)
    (first,) = [each for each in accepted if not each.duplicate]
    assert {each.run_id for each in accepted} == {first.run_id}
    assert len(accepted) == 50
