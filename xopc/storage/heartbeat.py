"""Transactions of the heartbeat: one beat at a time, whatever becomes of the process that began it."""

from __future__ import annotations

import sqlite3

from xopc.contracts.transcript import RunResult, RunState
from xopc.storage.columns import from_json
from xopc.storage.inbox import accept
from xopc.storage.path import Acceptance
from xopc.storage.path_heartbeat import Beat

_LAST = (
    "SELECT h.run_id, h.session_key, h.reason, h.begun_at, i.run_id, i.result FROM heartbeat h"
    " LEFT JOIN inbox i ON i.run_id = h.run_id WHERE h.id = 1"
)


def begin_beat(connection: sqlite3.Connection, acceptance: Acceptance, reason: str, opening: str, now: float) -> bool:
    """Accept the message of a beat, unless the last one has no end."""
    last = select_last_beat(connection)
    if last is not None and last.state is RunState.RUNNING:
        return False
    accept(connection, [acceptance], None, opening, now)
    connection.execute(
        "INSERT OR REPLACE INTO heartbeat (id, run_id, session_key, reason, begun_at) VALUES (1, ?, ?, ?, ?)",
        (acceptance.run_id, acceptance.session_key, reason, now),
    )
    return True


def select_last_beat(connection: sqlite3.Connection) -> Beat | None:
    """The beat that was begun last, and how its run stands."""
    row = connection.execute(_LAST).fetchone()
    if row is None:
        return None
    run_id, session_key, reason, begun_at, known, result = row
    ended = from_json(result, RunResult).state if result is not None else RunState.RUNNING
    return Beat(run_id, session_key, reason, begun_at, None if known is None else ended)
