"""What the engine promises when the disk is full or failing, when others hold the file, and at a crash."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.storage.groups import write_as_group
from xopc.storage.base import StorageError
from xopc.storage.engine import Engine
from xopc.storage.sqlite import open_storage

MEGABYTE = 1024 * 1024


def insert(connection: sqlite3.Connection, note: int, size: int = 0) -> None:
    connection.execute("INSERT INTO notes VALUES (?, randomblob(?))", (note, size))


def insert_together(connection: sqlite3.Connection, notes: list[int], size: int) -> None:
    for note in notes:
        insert(connection, note, size)


def stored(connection: sqlite3.Connection) -> list[int]:
    return [note for (note,) in connection.execute("SELECT id FROM notes ORDER BY id")]


async def set_pragma(engine: Engine, name: str, value: int) -> None:
    await engine.write(lambda connection: connection.execute(f"PRAGMA {name} = {value}").fetchall())


async def test_a_full_disk_refuses_the_whole_group_and_is_survived(engine: Engine) -> None:
    await engine.write(insert, 1)
    await set_pragma(engine, "max_page_count", 20)
    sizes = {2: 10, 3: 100_000, 4: 10}
    outcomes = await write_as_group(engine, [partial(insert, note=note, size=size) for note, size in sizes.items()])
    for each in outcomes:
        with pytest.raises(StorageError, match="Nothing was stored: database or disk is full") as raised:
            each.unwrap()
        assert isinstance(raised.value.__cause__, sqlite3.OperationalError)
        assert raised.value.__cause__.sqlite_errorname == "SQLITE_FULL"
    assert await engine.read(stored) == [1]

    await engine.write(insert, 2)
    await set_pragma(engine, "max_page_count", 10_000)
    await engine.write(insert, 3, 100_000)
    assert await engine.read(stored) == [1, 2, 3]


async def test_a_full_disk_in_mid_transaction_leaves_nothing_of_it(engine: Engine) -> None:
    await set_pragma(engine, "max_page_count", 20)
    with pytest.raises(StorageError, match="full"):
        await engine.write(insert_together, list(range(50)), 4_000)
    assert await engine.read(stored) == []
    await engine.write(insert, 1, 4_000)
    assert await engine.read(stored) == [1]


async def test_a_disk_that_fails_at_the_commit_stores_nothing_and_is_survived(engine: Engine) -> None:
    await engine.write(insert, 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEGABYTE // 2, limits[1]))
    try:
        with pytest.raises(StorageError) as raised:
            await engine.write(insert, 2, MEGABYTE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert isinstance(raised.value.__cause__, sqlite3.OperationalError)
    assert raised.value.__cause__.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL}
    assert await engine.read(stored) == [1]
    await engine.write(insert, 3, MEGABYTE)
    assert await engine.read(stored) == [1, 3]


async def test_a_commit_that_sqlite_refuses_leaves_nothing_and_is_survived(engine: Engine) -> None:
    def create(connection: sqlite3.Connection) -> None:
        reference = "REFERENCES notes DEFERRABLE INITIALLY DEFERRED"  # checked by COMMIT, not by the statement
        connection.execute(f"CREATE TABLE answers (note INTEGER {reference})")

    def answer(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO answers VALUES (404)")

    await engine.write(create)
    with pytest.raises(StorageError, match="FOREIGN KEY constraint failed"):
        await engine.write(answer)
    await engine.write(insert, 1)
    assert await engine.read(lambda connection: connection.execute("SELECT * FROM answers").fetchall()) == []
    assert await engine.read(stored) == [1]


async def test_another_program_that_keeps_writing_is_reported_and_survived(engine: Engine, path: Path) -> None:
    await set_pragma(engine, "busy_timeout", 20)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="database is locked"):
            await engine.write(insert, 1)
        other.execute("ROLLBACK")
    await engine.write(insert, 2)
    assert await engine.read(stored) == [2]


async def test_another_program_that_writes_for_a_moment_is_waited_for(engine: Engine, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        insert(other, 1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(engine.write, insert, 2)
            await trio.sleep(0.05)
            other.execute("COMMIT")
    assert await engine.read(stored) == [1, 2]


async def test_nobody_writes_between_the_reads_and_the_writes_of_a_transaction(engine: Engine, path: Path) -> None:
    def copy_highest(connection: sqlite3.Connection) -> None:
        (highest,) = connection.execute("SELECT max(id) FROM notes").fetchone()
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            insert(other, highest + 1)
        insert(connection, highest + 1)

    await engine.write(insert, 1)
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)) as other:
        await engine.write(copy_highest)
    assert await engine.read(stored) == [1, 2]


async def test_a_killed_process_has_stored_all_that_it_acknowledged(path: Path) -> None:
    acknowledged: set[int] = set()
    for _ in range(3):
        acknowledged |= await acknowledged_until_killed(path, first=max(acknowledged, default=0) + 1000)
        async with open_storage(path):
            pass
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert acknowledged <= set(stored(connection))


async def acknowledged_until_killed(path: Path, first: int) -> set[int]:
    """The notes that a writing process acknowledged before SIGKILL hit it in the middle of its work."""
    readable, writable = os.pipe()
    program = Path(__file__).with_name("crashing_writer.py")
    command = [sys.executable, str(program), str(path), str(writable), str(first)]
    text = b""
    async with trio.open_nursery() as nursery, trio.lowlevel.FdStream(readable) as acknowledgements:
        process = await nursery.start(partial(trio.run_process, command, pass_fds=[writable], check=False))
        os.close(writable)
        async for chunk in acknowledgements:
            text += chunk
            if text.count(b"\n") > 300 and process.returncode is None:
                process.kill()
        assert await process.wait() == -signal.SIGKILL
    return {int(line) for line in text.splitlines()}
