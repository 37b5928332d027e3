"""Transactions of the heartbeat: one beat at a time, whatever becomes of the process that began it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from xopc.contracts.keys import heartbeat_key
from xopc.contracts.transcript import RunResult, RunState
from xopc.storage.path.base import Acceptance
from xopc.storage.path.heartbeat import MAX_WAKES, Beat, Wake
from xopc.storage.transactions.batches import BATCH, delete_some
from xopc.storage.transactions.columns import from_json, storable
from xopc.storage.transactions.inbox import accept

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


def wake(connection: sqlite3.Connection, wake: Wake) -> None:
    """Remember what woke it. Of too many reasons the first stay, and that somebody is among them."""
    connection.execute(
        "INSERT INTO heartbeat_wakes (reason, by_hand) SELECT ?1, ?2"
        " WHERE (SELECT count(*) FROM heartbeat_wakes) < ?3 ON CONFLICT (reason) DO NOTHING",
        (storable(wake.reason), wake.by_hand, MAX_WAKES),
    )
    if wake.by_hand:
        connection.execute("UPDATE heartbeat_wakes SET by_hand = 1 WHERE seq = (SELECT max(seq) FROM heartbeat_wakes)")


def select_wakes(connection: sqlite3.Connection) -> list[Wake]:
    """What woke it since the last beat."""
    rows = connection.execute("SELECT reason, by_hand FROM heartbeat_wakes ORDER BY seq")
    return [Wake(reason, bool(by_hand)) for reason, by_hand in rows]


def forget_wakes(connection: sqlite3.Connection, wakes: Sequence[Wake]) -> None:
    """Others that came meanwhile stay."""
    connection.executemany("DELETE FROM heartbeat_wakes WHERE reason = ?", [(wake.reason,) for wake in wakes])


def begin_beat(  # noqa: PLR0917  the values of one commit
    connection: sqlite3.Connection,
    acceptance: Acceptance,
    reason: str,
    wakes: Sequence[Wake],
    opening: str,
    now: float,
) -> bool:
    """Accept the message of a beat, unless the last one has no end. It has no place in the order of the chat that hears
    of it: whoever writes there is answered meanwhile."""
    last = select_last_beat(connection)
    if last is not None and last.state is RunState.RUNNING:
        return False
    forget_wakes(connection, wakes)
    accept(connection, [acceptance], None, opening, now)
    connection.execute("UPDATE inbox SET place = NULL WHERE run_id = ?", (acceptance.run_id,))
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


def prune_beats(connection: sqlite3.Connection, now: float, most: int = BATCH) -> int:
    """Forget the sessions of single beats after a week, and of the one of all beats what lies far behind; so many rows
    at most. How many it was."""
    return delete_some(
        connection,
        most,
        (
            "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions s WHERE key >= ? AND key < ? AND updated_at < ?"
            " AND NOT EXISTS (SELECT 1 FROM inbox WHERE session_id = s.id AND finished_at IS NULL) LIMIT ?)",
            (_ISOLATED, _AFTER_ISOLATED, now - ISOLATED_SECONDS),
        ),
        (
            "DELETE FROM messages WHERE rowid IN (SELECT m.rowid FROM sessions s JOIN messages m ON m.session_id = s.id"
            " WHERE s.key = ? AND m.seq <= s.message_count - ? LIMIT ?)",
            (MAIN_KEY, KEPT_MESSAGES),
        ),
    )
