"""Transactions on restarts: every start and restart of a generation, and its cause."""

from __future__ import annotations

import sqlite3

from xopc.contracts.api.status import Restart, RestartKind

KEPT_RESTARTS = 1000


def insert_restart(connection: sqlite3.Connection, restart: Restart) -> None:
    """Add the newest restart, and forget the oldest beyond `KEPT_RESTARTS`."""
    connection.execute(
        "INSERT INTO restarts (kind, reason, boot_id, generation, at, duration_ms) VALUES (?, ?, ?, ?, ?, ?)",
        (
            restart.kind.value,
            restart.reason,
            restart.boot_id,
            restart.generation,
            restart.at,
            restart.duration_ms,
        ),
    )
    connection.execute("DELETE FROM restarts WHERE seq <= (SELECT max(seq) FROM restarts) - ?", (KEPT_RESTARTS,))


def select_last_restart(connection: sqlite3.Connection) -> Restart | None:
    """The newest, or None in a new database."""
    row = connection.execute(
        "SELECT kind, reason, boot_id, generation, at, duration_ms FROM restarts ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    kind, reason, boot_id, generation, at, duration_ms = row
    return Restart(RestartKind(kind), reason, boot_id, generation, at, duration_ms)
