from __future__ import annotations

import sqlite3
import tempfile
import threading
from contextlib import closing
from functools import partial
from pathlib import Path

import outcome
import pytest
import trio
import trio.testing
from hypothesis import given, settings, strategies as st

from tests.storage.groups import stalled, write_as_group
from xopc.storage.base import StorageError
from xopc.storage.engine import Engine, open_engine
from xopc.storage.writer import MAX_GROUP


def insert(note: int, connection: sqlite3.Connection) -> int:
    connection.execute("INSERT INTO notes (id) VALUES (?)", (note,))
    return note


def insert_then_raise(note: int, error: BaseException, connection: sqlite3.Connection) -> None:
    insert(note, connection)
    raise error


def stored(connection: sqlite3.Connection) -> list[int]:
    return [note for (note,) in connection.execute("SELECT id FROM notes ORDER BY id")]


async def trace(engine: Engine) -> list[str]:
    """The statements of the writer from now on."""
    statements: list[str] = []
    await engine.write(lambda connection: connection.set_trace_callback(statements.append))
    statements.clear()
    return statements


async def test_a_transaction_answers_with_its_result_and_is_seen_by_the_next_read(engine: Engine) -> None:
    assert await engine.write(partial(insert, 1)) == 1
    assert await engine.read(stored) == [1]


async def test_arguments_follow_the_connection(engine: Engine) -> None:
    def add(connection: sqlite3.Connection, note: int, body: str) -> str:
        connection.execute("INSERT INTO notes VALUES (?, ?)", (note, body))
        return body

    def body_of(connection: sqlite3.Connection, note: int) -> str:
        return connection.execute("SELECT body FROM notes WHERE id = ?", (note,)).fetchone()[0]

    assert await engine.write(add, 7, "seven") == await engine.read(body_of, 7) == "seven"


async def test_callers_that_wait_together_share_one_commit(engine: Engine) -> None:
    statements = await trace(engine)
    outcomes = await write_as_group(engine, [partial(insert, note) for note in range(64)])
    assert [each.unwrap() for each in outcomes] == list(range(64))
    assert statements.count("COMMIT") == 2  # the stalled one, and theirs


async def test_a_group_is_bounded(engine: Engine) -> None:
    statements = await trace(engine)
    await write_as_group(engine, [partial(insert, note) for note in range(MAX_GROUP + 1)])
    assert statements.count("COMMIT") == 3
    assert len(await engine.read(stored)) == MAX_GROUP + 1


async def test_callers_are_answered_after_the_commit(engine: Engine, path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:

        async def write(note: int) -> None:
            await engine.write(partial(insert, note))
            assert note in stored(other)

        async with trio.open_nursery() as nursery:
            for note in range(50):
                nursery.start_soon(write, note)


async def test_a_failing_transaction_takes_only_itself_back(engine: Engine) -> None:
    bad = ValueError("no")
    outcomes = await write_as_group(
        engine, [partial(insert, 1), partial(insert_then_raise, 2, bad), partial(insert, 3)]
    )
    assert [each.unwrap() for each in (outcomes[0], outcomes[2])] == [1, 3]
    with pytest.raises(ValueError, match="no") as raised:
        outcomes[1].unwrap()
    assert raised.value is bad
    assert await engine.read(stored) == [1, 3]


async def test_only_a_group_in_which_something_fails_pays_for_savepoints(engine: Engine) -> None:
    statements = await trace(engine)
    await write_as_group(engine, [partial(insert, 1), partial(insert, 2)])
    assert "SAVEPOINT attempt" not in statements
    await write_as_group(engine, [partial(insert, 3), partial(insert_then_raise, 4, ValueError()), partial(insert, 5)])
    assert statements.count("SAVEPOINT attempt") == 3
    assert await engine.read(stored) == [1, 2, 3, 5]


async def test_what_sqlite_refuses_is_a_storage_error_with_its_cause(engine: Engine) -> None:
    await engine.write(partial(insert, 1))
    with pytest.raises(StorageError, match=r"Nothing was stored: UNIQUE constraint failed: notes\.id") as raised:
        await engine.write(partial(insert, 1))
    assert isinstance(raised.value.__cause__, sqlite3.IntegrityError)


async def test_a_transaction_may_mend_an_error_of_sqlite_itself(engine: Engine) -> None:
    def insert_once(connection: sqlite3.Connection) -> bool:
        try:
            insert(1, connection)
        except sqlite3.IntegrityError:
            return False
        return True

    assert [await engine.write(insert_once), await engine.write(insert_once)] == [True, False]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
async def test_the_writer_outlives_whatever_a_transaction_raises(engine: Engine, error: BaseException) -> None:
    with pytest.raises(type(error)) as raised:
        await engine.write(partial(insert_then_raise, 1, error))
    assert raised.value is error
    await engine.write(partial(insert, 2))
    assert await engine.read(stored) == [2]


async def test_a_cursor_left_half_read_by_an_error_harms_no_neighbour(engine: Engine) -> None:
    def fail_half_way(connection: sqlite3.Connection) -> None:
        cursor = connection.execute("INSERT INTO notes (id) VALUES (1), (2), (3) RETURNING id")
        raise LookupError(cursor.fetchone())

    failed, neighbour = await write_as_group(engine, [fail_half_way, partial(insert, 4)])
    with pytest.raises(LookupError):
        failed.unwrap()
    assert neighbour.unwrap() == 4
    assert await engine.read(stored) == [4]


async def test_a_cursor_as_a_result_is_refused_and_harms_no_neighbour(engine: Engine) -> None:
    def return_cursor(connection: sqlite3.Connection) -> sqlite3.Cursor:
        return connection.execute("INSERT INTO notes (id) VALUES (1), (2) RETURNING id")

    refused, neighbour = await write_as_group(engine, [return_cursor, partial(insert, 4)])
    with pytest.raises(StorageError, match="statements in progress"):
        refused.unwrap()
    assert neighbour.unwrap() == 4
    assert await engine.read(stored) == [4]


@given(st.lists(st.sampled_from(["fine", "fails", "refused", "exits"]), max_size=20))
@settings(max_examples=25, deadline=None)
async def test_of_any_group_exactly_the_fine_ones_are_stored(kinds: list[str]) -> None:
    errors: dict[str, BaseException] = {"fails": ValueError(), "refused": sqlite3.DataError(), "exits": SystemExit()}
    raised = {"fails": ValueError, "refused": StorageError, "exits": SystemExit}
    with tempfile.TemporaryDirectory() as folder:
        async with open_engine(Path(folder) / "xopc.db") as engine:
            await engine.write(lambda connection: connection.execute("CREATE TABLE notes (id INTEGER)") and None)
            transactions = [
                partial(insert, note) if kind == "fine" else partial(insert_then_raise, note, errors[kind])
                for note, kind in enumerate(kinds)
            ]
            outcomes = await write_as_group(engine, transactions)
            assert await engine.read(stored) == [note for note, kind in enumerate(kinds) if kind == "fine"]
    for note, (kind, each) in enumerate(zip(kinds, outcomes, strict=True)):
        if kind == "fine":
            assert each.unwrap() == note
        else:
            assert isinstance(each, outcome.Error)
            assert type(each.error) is raised[kind]


async def test_a_query_sees_one_moment(engine: Engine, path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:

        def query(connection: sqlite3.Connection) -> tuple[list[int], list[int]]:
            before = stored(connection)
            go_on.set()
            while not stored(other):
                pass
            return before, stored(connection)

        async with trio.open_nursery() as nursery, stalled(engine) as go_on:
            nursery.start_soon(engine.write, partial(insert, 1))
            await trio.testing.wait_all_tasks_blocked()
            assert await engine.read(query) == ([], [])
    assert await engine.read(stored) == [1]


async def test_a_query_cannot_write(engine: Engine) -> None:
    with pytest.raises(StorageError, match="cannot be read: attempt to write a readonly database"):
        await engine.read(partial(insert, 1))
    assert await engine.read(stored) == []


async def test_an_error_of_a_query_is_passed_on_and_the_next_one_sees_the_newest(engine: Engine) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        raise KeyError(str(stored(connection)))

    with pytest.raises(KeyError):
        await engine.read(fail)
    await engine.write(partial(insert, 1))
    assert await engine.read(stored) == [1]


async def test_a_cancelled_caller_submits_nothing(engine: Engine) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await engine.write(partial(insert, 1))
    assert scope.cancelled_caught
    with trio.CancelScope() as scope:
        scope.cancel()
        await engine.read(stored)
    assert scope.cancelled_caught
    await engine.write(partial(insert, 2))
    assert await engine.read(stored) == [2]


async def test_a_caller_cancelled_while_it_waits_learns_that_it_was_stored(engine: Engine) -> None:
    answers: list[int] = []

    async def write() -> None:
        with scope:
            answers.append(await engine.write(partial(insert, 1)))
            await trio.lowlevel.checkpoint()
            answers.append(0)

    scope = trio.CancelScope()
    async with trio.open_nursery() as nursery, stalled(engine):
        nursery.start_soon(write)
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert answers == []
    assert answers == [1]
    assert scope.cancelled_caught
    assert await engine.read(stored) == [1]


async def test_closing_finishes_what_was_submitted(engine: Engine, path: Path) -> None:
    answers: list[int] = []

    async def write(note: int) -> None:
        answers.append(await engine.write(partial(insert, note)))

    async with trio.open_nursery() as nursery, stalled(engine) as go_on:
        for note in range(5):
            nursery.start_soon(write, note)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(engine.aclose)
        await trio.testing.wait_all_tasks_blocked()
        go_on.set()
    assert sorted(answers) == list(range(5))
    with closing(sqlite3.connect(path)) as other:
        assert stored(other) == list(range(5))


async def test_a_closed_engine_takes_nothing_and_leaves_one_file(engine: Engine, path: Path) -> None:
    assert await engine.read(stored) == []
    with trio.CancelScope() as scope:
        scope.cancel()
        await engine.aclose()
    assert [file.name for file in path.parent.iterdir()] == ["xopc.db"]
    with pytest.raises(trio.ClosedResourceError):
        await engine.write(partial(insert, 1))
    with pytest.raises(trio.ClosedResourceError):
        await engine.read(stored)
    await engine.aclose()


async def test_a_long_read_goes_on_beside_the_event_loop(engine: Engine) -> None:
    await engine.write(partial(insert, 1))
    assert await engine.read_apart(stored) == [1]
    go = threading.Event()

    def slow(connection: sqlite3.Connection, seconds: float) -> list[int]:
        assert go.wait(seconds)
        return stored(connection)

    async def let_it_go() -> None:
        assert await engine.read(stored) == [1]
        go.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(let_it_go)
        assert await engine.read_apart(slow, 20.0) == [1]


async def test_a_long_read_that_fails_is_told_as_any(engine: Engine, path: Path) -> None:
    with pytest.raises(StorageError, match="The database cannot be read: no such table: missing"):
        await engine.read_apart(lambda connection: connection.execute("SELECT * FROM missing"))
    async with open_engine(path.with_name("other.db")) as other:
        await other.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await other.read_apart(stored)


async def test_the_log_can_be_emptied_while_the_engine_works(engine: Engine, path: Path) -> None:
    await engine.write(partial(insert, 1))
    await engine.truncate_log()
    assert path.with_name(f"{path.name}-wal").stat().st_size == 0
    await engine.write(partial(insert, 2))
    assert await engine.read(stored) == [1, 2]


async def test_each_commit_is_told_with_its_size(path: Path) -> None:
    told: list[tuple[int, float]] = []
    async with open_engine(path, on_commit=lambda count, seconds: told.append((count, seconds))) as engine:
        await engine.write(
            lambda connection: connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY)") and None
        )
        with pytest.raises(StorageError):
            await engine.write(lambda connection: connection.execute("INSERT INTO elsewhere VALUES (1)") and None)
    assert [count for count, _ in told] == [1, 1]
    assert all(0 <= seconds < 60 for _, seconds in told)
