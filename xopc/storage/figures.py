"""How large the database is, and how much is in it. Counting takes milliseconds: never on the event loop."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from attrs import frozen

from xopc.storage.base import StorageError
from xopc.storage.connect import connect_reader


@frozen
class DatabaseFigures:
    """One moment of a database."""

    bytes: int
    wal_bytes: int
    """Of the write-ahead log beside it."""
    free_bytes: int
    """Of the file: what the next rows take before it grows."""
    sessions: int
    messages: int
    inbox_waiting: int
    """Messages without an end, those that are being answered among them."""
    outbox_waiting: int
    """Messages that are neither sent nor given up."""
    dead_letters: int


def measure(path: Path) -> DatabaseFigures:
    """The figures of the database at `path`, over a connection of their own, which cannot write. Blocks.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        with closing(connect_reader(path)) as connection:
            connection.execute("BEGIN")
            free = _number(connection, "PRAGMA freelist_count") * _number(connection, "PRAGMA page_size")
            return DatabaseFigures(
                bytes=path.stat().st_size,
                wal_bytes=_size(path.with_name(f"{path.name}-wal")),
                free_bytes=free,
                sessions=_number(connection, "SELECT count(*) FROM sessions"),
                messages=_number(connection, "SELECT count(*) FROM messages"),
                inbox_waiting=_number(connection, "SELECT count(*) FROM inbox WHERE finished_at IS NULL"),
                outbox_waiting=_number(connection, "SELECT count(*) FROM outbox WHERE settled_at IS NULL"),
                dead_letters=_number(connection, "SELECT count(*) FROM outbox WHERE state = 'dead'"),
            )
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"The database cannot be measured: {error}") from error


def _number(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
