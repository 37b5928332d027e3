from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from attrs import evolve

from xopc.contracts.api.status import Restart, RestartKind
from xopc.storage.connect import connect_writer
from xopc.storage.migrate import prepare
from xopc.storage.transactions.restarts import KEPT_RESTARTS, insert_restart, select_last_restart

RESTART = Restart(RestartKind.IN_PROCESS, "asked by SIGUSR1", "boot-1", 2, "2026-03-01T08:00:00Z", 12)


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    prepare(path)
    with closing(connect_writer(path)) as connection:
        yield connection


def test_a_new_database_has_no_last_restart(connection: sqlite3.Connection) -> None:
    assert select_last_restart(connection) is None


@pytest.mark.parametrize("kind", RestartKind)
@pytest.mark.parametrize("duration_ms", [None, 0, 6000])
def test_a_restart_comes_back_as_it_was(
    connection: sqlite3.Connection, kind: RestartKind, duration_ms: int | None
) -> None:
    restart = evolve(RESTART, kind=kind, duration_ms=duration_ms)
    insert_restart(connection, restart)
    assert select_last_restart(connection) == restart


def test_the_last_restart_is_the_one_stored_last_whatever_its_time(connection: sqlite3.Connection) -> None:
    insert_restart(connection, RESTART)
    earlier = evolve(RESTART, generation=3, at="2025-01-01T00:00:00Z")  # the clock was set back
    insert_restart(connection, earlier)
    assert select_last_restart(connection) == earlier


def test_the_newest_restarts_are_kept(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")
    for generation in range(KEPT_RESTARTS + 3):
        insert_restart(connection, evolve(RESTART, generation=generation))
    connection.execute("COMMIT")
    generations = [row[0] for row in connection.execute("SELECT generation FROM restarts ORDER BY seq")]
    assert generations == list(range(3, KEPT_RESTARTS + 3))
