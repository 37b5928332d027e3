from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from xopc.contracts.errors import XopcError
from xopc.storage.migrate import prepare
from xopc.storage.verify import is_newer, verify


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "xopc.db"
    prepare(path)
    return path


def test_a_whole_database_has_no_findings_and_is_not_changed(database: Path) -> None:
    before = database.read_bytes()
    assert verify(database) == ()
    assert not is_newer(database)
    assert database.read_bytes() == before


def test_a_missing_page_is_found(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    content = bytearray(database.read_bytes())
    content[5 * 4096 : 6 * 4096] = b"\xff" * 4096
    database.write_bytes(content)
    assert verify(database)


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "xopc.db"
    path.write_text("no database" * 1000)
    with pytest.raises(XopcError, match="damaged, or not a database"):
        verify(path)
    with pytest.raises(XopcError, match="damaged, or not a database"):
        is_newer(path)


def test_a_newer_schema_is_known(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 9999")
    assert is_newer(database)
