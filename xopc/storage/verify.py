"""Looks whether a database is whole, without a change to it, while a gateway may use it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from xopc.storage.connect import connect_reader, explained
from xopc.storage.migrate import MIGRATIONS, schema_version

MAX_FINDINGS = 5


def verify(path: Path) -> tuple[str, ...]:
    """What sqlite finds wrong with the database at `path`, which is there; nothing where it is whole.

    Blocks, for a large one for seconds: all of it is read.

    Raises:
        XopcError: it cannot be opened, or is no database.
    """
    with explained(path), closing(connect_reader(path)) as connection:
        try:
            rows = connection.execute(f"PRAGMA quick_check({MAX_FINDINGS})").fetchall()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
                raise
            return (str(error),)
    findings = tuple(str(text) for (text,) in rows)
    return () if findings == ("ok",) else findings


def is_newer(path: Path) -> bool:
    """Whether a newer version of xopc has used the database at `path`, which this one cannot.

    Raises:
        XopcError: it cannot be opened, or is no database.
    """
    return schema_version(path) > MIGRATIONS[-1].number
