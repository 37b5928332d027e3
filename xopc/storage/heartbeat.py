"""Transactions of the heartbeat: one beat at a time, whatever becomes of the process that began it."""

from __future__ import annotations

import sqlite3

from xopc.contracts.keys import heartbeat_key
from xopc.contracts.transcript import RunResult, RunState
from xopc.storage.columns import from_json
from xopc.storage.inbox import accept
from xopc.storage.path import Acceptance
from xopc.storage.path_heartbeat import Beat

ISOLATED_SECONDS = 7 * 24 * 3600
"""How long the session of a single beat is kept."""
KEPT_MESSAGES = 1000
"""Of the session of all beats: ten times what a model is shown."""
MAIN_KEY = str(heartbeat_key())

_ISOLATED, _AFTER_ISOLATED = "heartbeat:isolated:", "heartbeat:isolated;"
"""All keys in between are those of single beats: a semicolon follows the colon."""
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


def prune_beats(connection: sqlite3.Connection, now: float) -> None:
    """Forget the sessions of single beats after a week, and of the one of all beats what lies far behind."""
    connection.execute(
        "DELETE FROM sessions WHERE key >= ? AND key < ? AND updated_at < ? AND id NOT IN"
        " (SELECT session_id FROM inbox WHERE session_id = sessions.id AND finished_at IS NULL)",
        (_ISOLATED, _AFTER_ISOLATED, now - ISOLATED_SECONDS),
    )
    connection.execute(
        "DELETE FROM messages WHERE session_id = (SELECT id FROM sessions WHERE key = ?)"
        " AND seq <= (SELECT message_count FROM sessions WHERE key = ?) - ?",
        (MAIN_KEY, MAIN_KEY, KEPT_MESSAGES),
    )
