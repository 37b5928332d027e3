from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio
import trio.testing

from xopc.storage.apart import MAX_APART, ApartReader
from xopc.storage.connect import connect_writer

FOR_EVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect_writer(path)) as connection:
        connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY)")
        connection.execute("INSERT INTO notes VALUES (7)")
        yield connection


@pytest.fixture
async def reader(path: Path, connection: sqlite3.Connection) -> AsyncIterator[ApartReader]:
    reader = ApartReader(path)
    yield reader
    await reader.aclose()


def notes(connection: sqlite3.Connection, least: int) -> list[int]:
    return [note for (note,) in connection.execute("SELECT id FROM notes WHERE id >= ?", (least,))]


async def test_it_reads_what_is_stored_in_another_thread(reader: ApartReader, connection: sqlite3.Connection) -> None:
    assert await reader.read(notes, 1) == [7]
    connection.execute("INSERT INTO notes VALUES (8)")
    assert await reader.read(notes, 8) == [8]
    assert await reader.read(lambda _: threading.current_thread()) is not threading.current_thread()


async def test_it_writes_nothing(reader: ApartReader) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await reader.read(lambda connection: connection.execute("DELETE FROM notes"))
    assert await reader.read(notes, 1) == [7]


async def test_a_query_that_nobody_waits_for_is_ended(reader: ApartReader) -> None:
    begun = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def endless(connection: sqlite3.Connection) -> object:
        token.run_sync_soon(begun.set)
        return connection.execute(FOR_EVER).fetchone()

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.read, endless)
            await begun.wait()
            nursery.cancel_scope.cancel()
    assert await reader.read(notes, 1) == [7]


async def test_so_many_run_at_once_and_the_others_wait(reader: ApartReader) -> None:
    running = 0
    most = 0
    lock, full = threading.Lock(), threading.Barrier(MAX_APART)

    def query(_: sqlite3.Connection) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        full.wait(timeout=20)
        with lock:
            running -= 1

    async with trio.open_nursery() as nursery:
        for _ in range(3 * MAX_APART):
            nursery.start_soon(reader.read, query)
    assert most == MAX_APART


async def test_a_query_that_runs_is_waited_for_before_it_closes(path: Path, connection: sqlite3.Connection) -> None:
    reader = ApartReader(path)
    begun, go = threading.Event(), threading.Event()
    read: list[list[int]] = []

    def slow(connection: sqlite3.Connection) -> None:
        begun.set()
        go.wait(20)
        read.append(notes(connection, 1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.read, slow)
        await trio.to_thread.run_sync(begun.wait)
        nursery.start_soon(reader.aclose)
        await trio.testing.wait_all_tasks_blocked()
        go.set()
    assert read == [[7]]
    await reader.aclose()
