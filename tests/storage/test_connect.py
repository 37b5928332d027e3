from __future__ import annotations

import errno
import os
import resource
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from xopc.contracts.errors import Failure, XopcError
from xopc.storage.connect import connect_reader, connect_writer, explained, truncate_log
from xopc.storage.faults import Obstacle, StorageUnavailableError


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_a_writer_is_durable_at_every_commit(path: Path) -> None:
    with closing(connect_writer(path)) as connection:
        assert pragma(connection, "journal_mode") == "wal"
        assert pragma(connection, "synchronous") == 2  # FULL
        assert pragma(connection, "fullfsync") == 1
        assert pragma(connection, "checkpoint_fullfsync") == 1
        assert pragma(connection, "foreign_keys") == 1
        assert pragma(connection, "busy_timeout") == 5000
        assert connection.isolation_level is None


def test_all_files_are_the_owners_alone(path: Path) -> None:
    with closing(connect_writer(path)) as connection:
        connection.execute("CREATE TABLE notes (id)")
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == {"xopc.db": 0o600, "xopc.db-wal": 0o600, "xopc.db-shm": 0o600}


def test_a_file_that_is_there_keeps_its_mode(path: Path) -> None:
    path.touch()
    path.chmod(0o640)
    connect_writer(path).close()
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_reader_cannot_write_and_creates_nothing(path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        connect_reader(path)
    connect_writer(path).close()
    with closing(connect_reader(path)) as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("CREATE TABLE notes (id)")


@pytest.mark.parametrize("name", ["a b.db", "50%20.db", "what?.db", "one#two.db", "ö.db"])
def test_any_name_of_a_file_will_do(tmp_path: Path, name: str) -> None:
    with closing(connect_writer(tmp_path / name)) as writer, closing(connect_reader(tmp_path / name)) as reader:
        writer.execute("PRAGMA user_version = 7")
        assert pragma(reader, "user_version") == 7
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_file_that_is_no_database_says_so_and_how_to_mend_it(path: Path) -> None:
    path.write_text("not a database, but long enough to be asked\n" * 100)
    with pytest.raises(XopcError) as raised, explained(path):
        connect_writer(path)
    assert raised.value.failure is Failure.BAD_CONFIG
    assert raised.value.message == (
        f"{path} is damaged, or not a database of xopc (file is not a database). Restore a backup "
        "of it with xopc restore; or, to start with an empty one, move it away together with xopc.db-wal and "
        "xopc.db-shm."
    )


def test_a_directory_in_its_place_may_pass(path: Path) -> None:
    path.mkdir()
    with (
        pytest.raises(StorageUnavailableError, match=r"opened: unable to open database file\. Look") as raised,
        explained(path),
    ):
        connect_writer(path)
    assert (raised.value.failure, raised.value.obstacle) == (Failure.UNAVAILABLE, Obstacle.OUT_OF_REACH)


def test_an_error_of_the_system_may_pass(path: Path) -> None:
    path.touch()
    below = path / "xopc.db"
    with pytest.raises(XopcError, match=r"opened: \[Errno 20\] Not a directory") as raised, explained(below):
        connect_writer(below)
    assert raised.value.failure is Failure.UNAVAILABLE


def test_a_disk_that_fails_may_pass(path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with (
            pytest.raises(StorageUnavailableError, match=r"I/O error\. The disk fails") as raised,
            explained(path),
        ):
            connect_writer(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (raised.value.failure, raised.value.obstacle) == (Failure.UNAVAILABLE, Obstacle.BROKEN)


@pytest.mark.parametrize(
    ("number", "obstacle", "cure"),
    [
        (errno.ENOSPC, Obstacle.FULL, "free some room"),
        (errno.EIO, Obstacle.BROKEN, "the system's log"),
        (errno.EROFS, Obstacle.READ_ONLY, "is read-only"),
        (errno.EACCES, Obstacle.OUT_OF_REACH, "missing permissions"),
    ],
)
def test_what_lies_in_the_way_is_told_apart_with_its_cure(
    path: Path, number: int, obstacle: Obstacle, cure: str
) -> None:
    with pytest.raises(StorageUnavailableError, match=cure) as raised, explained(path):
        raise OSError(number, os.strerror(number))
    assert raised.value.obstacle is obstacle
    assert os.strerror(number) in raised.value.message


def test_another_program_that_holds_the_file_may_pass(path: Path) -> None:
    with closing(connect_writer(path)) as holder, closing(connect_writer(path)) as other:
        holder.execute("BEGIN IMMEDIATE")
        other.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(StorageUnavailableError, match=r"locked\. Another program") as raised, explained(path):
            other.execute("BEGIN IMMEDIATE")
    assert raised.value.obstacle is Obstacle.HELD


def test_what_no_retry_mends_says_where_it_came_from(path: Path) -> None:
    error = sqlite3.OperationalError("no such table: notes")
    error.add_note("(in migration 0002_notes.sql)")
    with pytest.raises(XopcError) as raised, explained(path):
        raise error
    assert raised.value.failure is Failure.BAD_CONFIG
    assert "cannot be used: no such table: notes (in migration 0002_notes.sql). It was left as it was" in str(
        raised.value
    )


def test_the_log_is_emptied_into_the_database_and_nothing_is_made_where_there_is_none(path: Path) -> None:
    log = path.with_name(f"{path.name}-wal")
    with closing(connect_writer(path)) as writer:
        writer.execute("CREATE TABLE notes (body)")
        assert log.stat().st_size > 0
        truncate_log(path)
        assert log.stat().st_size == 0
        assert writer.execute("SELECT count(*) FROM notes").fetchone() == (0,)
    other = path.with_name("other.db")
    with pytest.raises(sqlite3.OperationalError):
        truncate_log(other)
    assert not other.exists()


def test_what_is_deleted_is_overwritten(path: Path) -> None:
    with closing(connect_writer(path)) as writer:
        writer.execute("CREATE TABLE notes (body)")
        writer.execute("INSERT INTO notes VALUES (?)", ("swordfish " * 2000,))
        truncate_log(path)
        assert b"swordfish" in path.read_bytes()
        writer.execute("DELETE FROM notes")
        truncate_log(path)
        assert b"swordfish" not in path.read_bytes()


def test_a_reader_for_any_thread_serves_one_after_the_other(path: Path) -> None:
    with closing(connect_writer(path)), closing(connect_reader(path, any_thread=True)) as reader:
        found: list[object] = []
        thread = threading.Thread(target=lambda: found.append(reader.execute("SELECT 1").fetchone()))
        thread.start()
        thread.join()
        assert found == [reader.execute("SELECT 1").fetchone()] == [(1,)]
