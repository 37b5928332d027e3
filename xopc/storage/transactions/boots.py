"""Transactions on boots: which processes have owned the database."""

from __future__ import annotations

import sqlite3

from xopc.storage.base import Boot

KEPT_BOOTS = 1000


def insert_boot(connection: sqlite3.Connection, boot: Boot) -> None:
    """Add the newest boot, and forget the oldest beyond `KEPT_BOOTS`."""
    connection.execute(
        "INSERT INTO boots (id, pid, version, started_at, cause) VALUES (?, ?, ?, ?, ?)",
        (boot.id, boot.pid, boot.version, boot.started_at, boot.cause),
    )
    connection.execute("DELETE FROM boots WHERE seq <= (SELECT max(seq) FROM boots) - ?", (KEPT_BOOTS,))
