"""A copy is one moment of the database, and is made without a pause of whoever writes to it."""

from __future__ import annotations

import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path
from time import monotonic

import pytest

from xopc.contracts.errors import Failure, XopcError
from xopc.storage import copy as copies
from xopc.storage.connect import connect_writer
from xopc.storage.copy import check_database, copy_database, size_of
from xopc.storage.faults import Obstacle, StorageUnavailableError
from xopc.storage.migrate import LATEST_SCHEMA, prepare, schema_version


def test_a_copy_has_what_was_committed_and_is_private(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO boots VALUES (1, 'a', 1, '1', '2026-01-01', 'test')")
    target = path.with_name("copy.db")
    assert copy_database(path, target) == LATEST_SCHEMA
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with closing(sqlite3.connect(target)) as copied:
        assert copied.execute("SELECT id FROM boots").fetchall() == [("a",)]
    assert [file.name for file in path.parent.glob("copy.db*")] == ["copy.db"]


def test_a_copy_can_be_made_when_nobody_has_the_database_open(path: Path) -> None:
    prepare(path)
    assert copy_database(path, path.with_name("copy.db")) == schema_version(path)


def test_an_owner_who_writes_meanwhile_waits_for_nothing(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE notes (body BLOB)")
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
        " INSERT INTO notes SELECT randomblob(4000) FROM n"
    )
    connection.execute("CREATE TABLE marks (first INTEGER, second INTEGER)")
    target, longest, count = path.with_name("copy.db"), 0.0, 0
    thread = threading.Thread(target=copy_database, args=(path, target))
    thread.start()
    while thread.is_alive():
        began = monotonic()
        connection.execute("INSERT INTO marks VALUES (?, ?)", (count, count))
        longest, count = max(longest, monotonic() - began), count + 1
    thread.join()
    assert count > 3, "the copy was made before anything was written"
    assert longest < 1.0
    with closing(sqlite3.connect(target)) as copied:
        (stored, equal) = copied.execute("SELECT count(*), sum(first = second) FROM marks").fetchone()
        assert stored < count or stored == equal
        assert copied.execute("SELECT count(*) FROM notes").fetchone() == (3000,)


def test_a_file_that_is_there_is_not_written_over(path: Path, connection: sqlite3.Connection) -> None:
    target = path.with_name("copy.db")
    target.write_text("mine")
    with pytest.raises(XopcError, match=r"copy\.db"):
        copy_database(path, target)
    assert target.read_text() == "mine"


def test_a_damaged_database_is_refused_and_leaves_nothing(path: Path) -> None:
    path.write_bytes(b"this is no database, and was never one" * 200)
    with pytest.raises(XopcError, match="damaged") as caught:
        copy_database(path, path.with_name("copy.db"))
    assert caught.value.failure is Failure.BAD_CONFIG
    assert not path.with_name("copy.db").exists()


def test_a_page_that_was_overwritten_is_found(path: Path) -> None:
    prepare(path)
    with closing(connect_writer(path)) as connection:
        connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)")
        connection.execute("CREATE INDEX by_body ON notes (body)")
        connection.executemany("INSERT INTO notes VALUES (?, ?)", [(i, f"note {i:050}") for i in range(2000)])
    content = bytearray(path.read_bytes())
    page = content.rindex(b"note ") // 4096 * 4096
    content[page + 200 : page + 4000] = b"\xff" * 3800
    path.write_bytes(content)
    with pytest.raises(XopcError, match="damaged"):
        check_database(path)


def test_a_disk_without_room_is_told_before_it_is_filled(
    path: Path, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "SPARE_BYTES", 2**62)
    with pytest.raises(StorageUnavailableError, match="Free some room") as caught:
        copy_database(path, path.with_name("copy.db"))
    assert caught.value.obstacle is Obstacle.FULL
    assert not path.with_name("copy.db").exists()


def test_the_size_counts_the_write_ahead_log(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO boots VALUES (1, 'a', 1, '1', '2026-01-01', 'test')")
    assert size_of(path) > path.stat().st_size
