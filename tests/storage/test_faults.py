"""A disk that fails is a standing fault, told with its cure; it ends by itself, and without traffic."""

from __future__ import annotations

import errno
import os
import resource
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest
import trio

from xopc.storage.base import StorageError
from xopc.storage.connect import connect_writer
from xopc.storage.engine import Engine, open_engine
from xopc.storage.faults import DisplacedError, FaultWatch, Obstacle, Whereabouts, obstacle_of

SECONDS = 5


class Told:
    """What an engine told of its disk."""

    def __init__(self) -> None:
        self.sentences: list[str | None] = []
        self._changed = trio.Event()

    def __call__(self, sentence: str | None) -> None:
        self.sentences.append(sentence)
        self._changed.set()

    async def over(self) -> None:
        """Until the last word is that it is over."""
        with trio.fail_after(SECONDS):
            while not self.sentences or self.sentences[-1] is not None:
                self._changed = trio.Event()
                await self._changed.wait()


@asynccontextmanager
async def told_by(path: Path) -> AsyncGenerator[tuple[Engine, Told]]:
    told = Told()
    async with open_engine(path, told) as engine:
        await engine.write(lambda connection: connection.execute("CREATE TABLE notes (id, body)"))
        yield engine, told


def insert(connection: sqlite3.Connection, note: int, size: int = 0) -> None:
    connection.execute("INSERT INTO notes VALUES (?, randomblob(?))", (note, size))


def stored(connection: sqlite3.Connection) -> list[int]:
    return [note for (note,) in connection.execute("SELECT id FROM notes ORDER BY id")]


def limit_pages(connection: sqlite3.Connection, pages: int) -> None:
    connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()


def saying(fields: dict[int, int]) -> Callable[[Path], os.statvfs_result]:
    """statvfs of another disk: a large one with free blocks, but for these fields."""
    disk = {0: 4096, 1: 4096, 2: 10**6, 3: 10**6, 4: 10**6, 5: 0, 6: 0, 7: 0, 8: 0, 9: 255, **fields}
    return lambda _: os.statvfs_result([*disk.values()])


@contextmanager
def no_writes() -> Generator[None]:
    """No file of this process may be written to: EFBIG, which sqlite calls an I/O error."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def replace(path: Path) -> None:
    """Put a copy in the place of a file."""
    path.rename(path.with_suffix(".moved"))
    path.write_bytes(path.with_suffix(".moved").read_bytes())


def link(path: Path, folder: Path) -> None:
    """Let `path` lead to a file in `folder`."""
    folder.mkdir()
    path.symlink_to(folder / "real.db")


async def test_a_full_disk_is_told_before_the_writer_knows_and_its_end_without_traffic(path: Path) -> None:
    async with told_by(path) as (engine, told):
        await engine.write(limit_pages, 4)
        with pytest.raises(StorageError, match="full"):
            await engine.write(insert, 1, 100_000)
        assert told.sentences == [f"The disk of {path} is full: free some room; the gateway goes on by itself."]
        await told.over()
        await engine.write(limit_pages, 1000)
        await engine.write(insert, 2, 100_000)
        assert await engine.read(stored) == [2]


async def test_a_disk_that_fails_is_told_once_and_stands_as_long_as_it_fails(path: Path) -> None:
    async with told_by(path) as (engine, told):
        with no_writes():
            for note in (1, 2):
                with pytest.raises(StorageError, match="Nothing was stored: disk I/O error"):
                    await engine.write(insert, note)
            await trio.sleep(2.5)  # two looks
            assert await engine.read(stored) == []
            assert len(told.sentences) == 1
        await told.over()
        assert told.sentences[0] is not None
        assert told.sentences[0].startswith(f"The disk of {path} fails (disk I/O error): ")
        await engine.write(insert, 3)
        assert await engine.read(stored) == [3]


@pytest.mark.parametrize("part", ["", "-wal"])
async def test_nothing_is_stored_in_a_file_without_its_name(path: Path, part: str) -> None:
    file = path.with_name(path.name + part)
    async with told_by(path) as (engine, told):
        await engine.write(insert, 1)
        file.rename(file.with_suffix(".moved"))
        with pytest.raises(StorageError, match="is not the file that it was"):
            await engine.write(insert, 2)
        assert await engine.read(stored) == [1]
        assert told.sentences[0] is not None
        assert "was moved, removed or replaced while it was in use: put that very file back" in told.sentences[0]
        file.with_suffix(".moved").rename(file)
        await told.over()
        await engine.write(insert, 3)
        assert await engine.read(stored) == [1, 3]


async def test_a_file_that_was_replaced_is_not_taken_for_the_one_that_it_was(path: Path) -> None:
    async with told_by(path) as (engine, _):
        replace(path)
        with pytest.raises(StorageError, match="is not the file that it was"):
            await engine.write(insert, 1)


async def test_a_database_behind_a_link_is_where_the_link_leads(path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    link(path, elsewhere)
    async with told_by(path) as (engine, told):
        await engine.write(insert, 1)
        (elsewhere / "real.db-wal").rename(elsewhere / "moved")
        with pytest.raises(StorageError):
            await engine.write(insert, 2)
        (elsewhere / "moved").rename(elsewhere / "real.db-wal")
        await told.over()


async def test_what_was_asked_wrongly_is_no_fault(path: Path) -> None:
    async with told_by(path) as (engine, told):
        with pytest.raises(StorageError, match="no such table"):
            await engine.write(lambda connection: connection.execute("INSERT INTO elsewhere VALUES (1)"))
        with pytest.raises(StorageError, match="no such table"):
            await engine.read(lambda connection: connection.execute("SELECT * FROM elsewhere").fetchall())
        await engine.write(insert, 1)
        assert told.sentences == []


async def test_a_read_that_the_disk_refuses_is_a_fault_too(path: Path) -> None:
    def refuse(_: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
        raise error

    async with told_by(path) as (engine, told):
        with pytest.raises(StorageError, match="cannot be read: disk I/O error"):
            await engine.read(refuse)
        await told.over()
        assert len(told.sentences) == 2


async def test_damage_stands_until_the_process_ends(path: Path) -> None:
    def find_damage(_: sqlite3.Connection) -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    async with told_by(path) as (engine, told):
        with pytest.raises(StorageError):
            await engine.write(find_damage)
        with no_writes(), pytest.raises(StorageError):
            await engine.write(insert, 1)
        await trio.sleep(2.5)  # two looks
        assert [sentence and sentence.partition(":")[0] for sentence in told.sentences] == [
            f"{path} is damaged (database disk image is malformed)"
        ]


async def test_another_program_that_holds_the_database_is_named_as_such(path: Path) -> None:
    async with told_by(path) as (engine, told):
        await engine.write(lambda connection: connection.execute("PRAGMA busy_timeout = 20").fetchall())
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageError, match="locked"):
                await engine.write(insert, 1)
            other.execute("ROLLBACK")
        await told.over()
    assert told.sentences[0] is not None
    assert told.sentences[0].startswith(f"Another program holds {path} (database is locked)")


@pytest.mark.parametrize(
    ("error", "obstacle"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), Obstacle.FULL),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), Obstacle.FULL),
        (OSError(errno.EIO, "Input/output error"), Obstacle.BROKEN),
        (OSError(errno.EROFS, "Read-only file system"), Obstacle.READ_ONLY),
        (PermissionError(errno.EACCES, "Permission denied"), Obstacle.OUT_OF_REACH),
        (DisplacedError("moved"), Obstacle.MISSING),
        (sqlite3.IntegrityError("UNIQUE constraint failed"), None),
        (ValueError("not of the disk"), None),
    ],
)
def test_an_error_of_the_disk_is_told_from_one_of_the_transaction(
    path: Path, error: Exception, obstacle: Obstacle | None
) -> None:
    assert obstacle_of(error, path) is obstacle


@pytest.mark.parametrize(
    ("fields", "obstacle"),
    [({8: os.ST_RDONLY}, Obstacle.READ_ONLY), ({4: 0}, Obstacle.FULL), ({4: 1}, Obstacle.BROKEN)],
)
def test_an_io_error_is_what_the_file_system_says_of_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[int, int], obstacle: Obstacle
) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    assert obstacle_of(error, path) is Obstacle.MISSING
    path.touch()
    monkeypatch.setattr(os, "statvfs", saying(fields))
    assert obstacle_of(error, path) is obstacle


def test_a_full_disk_needs_some_room_before_it_counts_as_mended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str | None] = []
    watch = FaultWatch(path, told.append)
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    assert watch.seconds_left is None
    watch.strike(error)
    monkeypatch.setattr(os, "statvfs", saying({1: 1024, 4: 1023}))
    watch.look(lambda: None)
    assert len(told) == 1
    assert watch.seconds_left is not None
    monkeypatch.setattr(os, "statvfs", saying({1: 1024, 4: 1024}))
    watch.look(lambda: None)
    assert told[1:] == [None]
    assert watch.seconds_left is None


def test_the_files_are_where_they_were(path: Path) -> None:
    with closing(connect_writer(path)) as connection:
        connection.execute("CREATE TABLE notes (id)")
        whereabouts = Whereabouts(path)
        whereabouts.check()
        path.unlink()
        with pytest.raises(DisplacedError):
            whereabouts.check()
