"""A database becomes smaller again, a little at a time."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio

from xopc.storage import reclaim
from xopc.storage.connect import connect_writer
from xopc.storage.engine import open_engine
from xopc.storage.reclaim import KEPT_BYTES, STEP_PAGES, WAL_BYTES, Reclaim, spare_pages

PAGE_BYTES = 4096
KEPT_PAGES = KEPT_BYTES // PAGE_BYTES


def fill(connection: sqlite3.Connection, pages: int) -> None:
    """So many pages that hold something."""
    connection.execute("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, body BLOB)")
    body = bytes(PAGE_BYTES - 100)
    connection.execute("SAVEPOINT fill")
    connection.executemany("INSERT INTO notes (body) VALUES (?)", [(body,)] * pages)
    connection.execute("RELEASE fill")


def free(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA freelist_count").fetchone()[0]


def due() -> Reclaim:
    """One whose time has come."""
    ours = Reclaim()
    ours.due_at = 0.0
    return ours


def test_what_is_deleted_is_given_back_in_steps_until_enough_is_kept_free(path: Path) -> None:
    with closing(connect_writer(path)) as connection:
        fill(connection, 2 * KEPT_PAGES)
        connection.execute("DELETE FROM notes")
        before, spare = free(connection), spare_pages(connection)
        assert spare == before - KEPT_PAGES
        ours, steps = due(), 0
        while spare_pages(connection):
            ours.step(connection)
            steps += 1
            assert free(connection) >= before - steps * STEP_PAGES
        assert steps == -(-spare // STEP_PAGES)
        assert KEPT_PAGES - STEP_PAGES <= free(connection) <= KEPT_PAGES
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert path.stat().st_size < (KEPT_PAGES + 16) * PAGE_BYTES


def test_the_next_step_comes_soon_and_the_next_look_late(path: Path) -> None:
    with closing(connect_writer(path)) as connection:
        fill(connection, KEPT_PAGES + 2 * STEP_PAGES)
        connection.execute("DELETE FROM notes")
        ours = due()
        assert ours.seconds_left == 0
        ours.step(connection)
        assert 0 < ours.seconds_left <= reclaim.STEP_SECONDS
        while spare_pages(connection):
            ours.step(connection)
        ours.step(connection)
        assert reclaim.STEP_SECONDS < ours.seconds_left <= reclaim.LOOK_SECONDS


def test_of_a_large_database_a_tenth_stays_free(path: Path) -> None:
    with closing(connect_writer(path)) as connection:
        fill(connection, 12 * KEPT_PAGES)
        connection.execute("DELETE FROM notes WHERE id % 6 = 0")
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        assert spare_pages(connection) == free(connection) - pages // 10 > 0


def test_a_database_that_cannot_become_smaller_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        fill(connection, 2 * KEPT_PAGES)
        connection.execute("DELETE FROM notes")
        assert spare_pages(connection) == 0
        due().step(connection)
        assert free(connection) > KEPT_PAGES


def test_the_write_ahead_log_is_cut_after_a_large_commit(path: Path) -> None:
    wal = path.with_name(f"{path.name}-wal")
    with closing(connect_writer(path)) as connection:
        fill(connection, 5 * WAL_BYTES // PAGE_BYTES)
        assert wal.stat().st_size > 4 * WAL_BYTES
        for _ in range(2):
            fill(connection, 1)
        assert wal.stat().st_size <= WAL_BYTES


async def test_an_engine_that_nobody_uses_does_it_by_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reclaim, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(reclaim, "STEP_SECONDS", 0.001)
    async with open_engine(path) as engine:
        await engine.write(fill, 2 * KEPT_PAGES)
        await engine.write(_empty)
        with trio.fail_after(20):
            while True:
                if await engine.read(free) <= KEPT_PAGES:
                    break
                await trio.sleep(0.01)
        assert await engine.read(count) == 0


async def test_a_fault_of_the_disk_goes_before_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reclaim, "LOOK_SECONDS", 0.01)
    told: list[str | None] = []
    async with open_engine(path, told.append) as engine:
        await engine.write(fill, 2 * KEPT_PAGES)
        await engine.write(_empty)
        os.rename(path, path.with_name("elsewhere"))
        with trio.fail_after(20):
            while True:
                if told:
                    break
                await trio.sleep(0.01)
        os.rename(path.with_name("elsewhere"), path)
    assert told[0] is not None
    assert "moved, removed or replaced" in told[0]


def count(connection: sqlite3.Connection) -> int:
    return connection.execute("SELECT count(*) FROM notes").fetchone()[0]


def _empty(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM notes")
