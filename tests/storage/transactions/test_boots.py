from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from xopc.storage.base import Boot
from xopc.storage.connect import connect_writer
from xopc.storage.migrate import prepare
from xopc.storage.transactions.boots import KEPT_BOOTS, insert_boot


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    prepare(path)
    with closing(connect_writer(path)) as connection:
        yield connection


def boot(number: int) -> Boot:
    return Boot(f"boot-{number}", 4000 + number, "1.2.3", "2026-03-01T08:00:00Z", "crash: signal 9")


def test_a_boot_is_stored_with_all_its_fields(connection: sqlite3.Connection) -> None:
    insert_boot(connection, boot(1))
    rows = connection.execute("SELECT id, pid, version, started_at, cause FROM boots").fetchall()
    assert rows == [("boot-1", 4001, "1.2.3", "2026-03-01T08:00:00Z", "crash: signal 9")]


def test_a_boot_is_stored_once(connection: sqlite3.Connection) -> None:
    insert_boot(connection, boot(1))
    with pytest.raises(sqlite3.IntegrityError):
        insert_boot(connection, boot(1))


def test_the_newest_boots_are_kept(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")
    for number in range(KEPT_BOOTS + 3):
        insert_boot(connection, boot(number))
    connection.execute("COMMIT")
    ids = [row[0] for row in connection.execute("SELECT id FROM boots ORDER BY seq")]
    assert ids == [f"boot-{number}" for number in range(3, KEPT_BOOTS + 3)]
