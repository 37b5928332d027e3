from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from xopc.storage.connect import connect_writer
from xopc.storage.engine import Engine, open_engine
from xopc.storage.migrate import prepare


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "xopc.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    """For writing, to a new database with the newest schema."""
    prepare(path)
    with closing(connect_writer(path)) as connection:
        yield connection


@pytest.fixture
async def engine(path: Path) -> AsyncIterator[Engine]:
    """An engine on a new database with one table, `notes(id)`."""
    async with open_engine(path) as engine:
        await engine.write(_create_notes)
        yield engine


def _create_notes(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body BLOB)")
