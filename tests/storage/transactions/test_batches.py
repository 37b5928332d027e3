from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.path_storage import InlineEngine, InlinePath, memory_disk, stored_now
from tests.storage.test_sqlite_path_plans import plans
from tests.storage.values import DAY_SECONDS, KEY, acceptance, done, outbound
from xopc.contracts.messages import OutboxState
from xopc.storage.path.outbox import Attempt
from xopc.storage.transactions import cron, heartbeat, inbox, outbox, told
from xopc.storage.transactions.batches import BATCH, PAUSE_SECONDS, delete_some, in_batches
from xopc.storage.transactions.runs import finish


@pytest.fixture
def disk() -> Iterator[InlineEngine]:
    with closing(memory_disk()) as disk:
        yield disk


async def test_nothing_left_to_forget_is_one_commit(disk: InlineEngine) -> None:
    def forget(_: sqlite3.Connection, when: float) -> int:
        assert when == 7
        return BATCH - 1

    await in_batches(disk, forget, 7)
    assert disk.commits == ["forget"]


async def test_others_store_between_two_batches(disk: InlineEngine, autojump_clock: MockClock) -> None:
    left = 2 * BATCH + 1

    def forget(_connection: sqlite3.Connection, _when: float) -> int:
        nonlocal left
        gone = min(left, BATCH)
        left -= gone
        return gone

    def store(_: sqlite3.Connection) -> None: ...

    async with trio.open_nursery() as nursery:
        nursery.start_soon(in_batches, disk, forget, 0.0)
        await trio.sleep(PAUSE_SECONDS * 1.5)
        await disk.write(store)
    assert disk.commits == ["forget", "forget", "store", "forget"]


def test_no_more_rows_are_deleted_than_were_asked_for(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO notes VALUES (?)", [(number,) for number in range(10)])
    odd = ("DELETE FROM notes WHERE id IN (SELECT id FROM notes WHERE id % 2 = ? LIMIT ?)", (1,))
    rest = ("DELETE FROM notes WHERE id IN (SELECT id FROM notes LIMIT ?)", ())
    assert delete_some(connection, 3, odd, rest) == 3
    assert connection.execute("SELECT id FROM notes WHERE id % 2 = 1").fetchall() == [(7,), (9,)]
    assert delete_some(connection, 4, odd, rest) == 4
    assert delete_some(connection, 9, odd, rest) == 3


async def test_thousands_of_old_rows_are_forgotten_a_few_at_a_time(
    disk: InlineEngine, autojump_clock: MockClock
) -> None:
    storage = InlinePath(disk)
    now = stored_now()

    def fill(connection: sqlite3.Connection) -> None:
        for number in range(3 * BATCH):
            inbox.accept(connection, [acceptance(f"run-{number}")], None, "now", now)
            finish(connection, f"run-{number}", done("hi", outbound("hi")), [f"msg_{number}"], now)
            outbox.settle(connection, f"msg_{number}", Attempt(OutboxState.SENT), now)

    await disk.write(fill)
    await storage.prune(now + 8 * DAY_SECONDS)
    assert disk.commits.count("_prune") == 10, "nine full ones, and the one that finds nothing"
    for table in ("inbox", "dedupe_keys", "outbox"):
        query = f"SELECT count(*) FROM {table}"  # noqa: S608  a constant
        assert await disk.read(lambda reader, query=query: reader.execute(query).fetchone()) == (0,)
    assert await storage.session(KEY) is not None


@pytest.mark.parametrize(
    ("prune", "indexes"),
    [
        (inbox.prune_inbox, {"inbox_answered", "inbox_parked", "dedupe_keys_done"}),
        (outbox.prune_outbox, {"outbox_settled", "outbox_by_state"}),
    ],
)
def test_what_is_old_is_found_by_its_time(
    connection: sqlite3.Connection, prune: Callable[[sqlite3.Connection, float], int], indexes: set[str]
) -> None:
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    prune(connection, 1_700_000_000.0)
    connection.set_trace_callback(None)
    found = {statement: " ".join(plan) for statement, plan in plans(connection, statements).items()}
    slow = [statement for statement, plan in found.items() if "TEMP B-TREE" in plan]
    assert slow == []
    assert {index for index in indexes if any(f"INDEX {index} (" in plan for plan in found.values())} == indexes


@pytest.mark.parametrize(
    "prune", [told.prune_told, heartbeat.prune_beats, inbox.prune_inbox, outbox.prune_outbox, cron.prune_sessions]
)
def test_what_may_forget_no_more_rows_forgets_none(
    connection: sqlite3.Connection, prune: Callable[[sqlite3.Connection, float, int], int]
) -> None:
    assert prune(connection, 0, 0) == 0
