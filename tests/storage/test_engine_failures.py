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

from xopc.storage.base import StorageError
from xopc.storage.engine import Engine, open_engine
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


async def test_a_full_disk_refuses_the_group_and_is_survived(engine: Engine) -> None:
    await engine.write(insert, 1)
    await set_pragma(engine, "max_page_count", 20)
    refused: list[int] = []
    written: list[int] = []

    async def write(note: int, size: int) -> None:
        try:
            await engine.write(insert, note, size)
        except StorageError as error:
            assert isinstance(error.__cause__, sqlite3.OperationalError)
            assert error.__cause__.sqlite_errorname == "SQLITE_FULL"
            assert str(error) == "Nothing was stored: database or disk is full"
            refused.append(note)
        else:
            written.append(note)

    async with trio.open_nursery() as nursery:
        for note in range(2, 30):
            nursery.start_soon(write, note, 100_000 if note % 7 == 0 else 10)
    assert {7, 14, 21, 28} <= set(refused)
    assert await engine.read(stored) == sorted([1, *written])

    await set_pragma(engine, "max_page_count", 10_000)
    await engine.write(insert, 28, 100_000)
    assert await engine.read(stored) == sorted([1, 28, *written])


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


async def test_another_program_that_writes_is_waited_for_and_then_reported(engine: Engine, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        await set_pragma(engine, "busy_timeout", 20)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="database is locked"):
            await engine.write(insert, 1)
        await set_busy_timeout_without_transaction(engine)
