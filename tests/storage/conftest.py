from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from xopc.storage.engine import Engine, open_engine


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "xopc.db"


@pytest.fixture
async def engine(path: Path) -> AsyncIterator[Engine]:
    """An engine on a new database with one table, `notes(id)`."""
    async with open_engine(path) as engine:
        await engine.write(_create_notes)
        yield engine


def _create_notes(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body BLOB)")
