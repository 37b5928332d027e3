"""The inbox as somebody sees it, and what he decides about messages that were given up."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import Any

from xopc.contracts.errors import InvalidValueError
from xopc.contracts.messages import Inbound, InboxCounts, InboxRow, InboxState
from xopc.storage.path.inbox import InboxPlace
from xopc.storage.transactions.columns import from_json
from xopc.storage.transactions.dedupe import update_done

_SELECT = (
    "SELECT i.id, i.run_id, s.key, i.inbound, i.deliver, i.accepted_at, i.attempts, i.last_error, i.parked_at"
    " FROM inbox i JOIN sessions s ON s.id = i.session_id"
)
_WHERE = {
    InboxState.WAITING: "finished_at IS NULL AND (boot_id IS NULL) = 1",
    InboxState.RUNNING: "finished_at IS NULL AND (boot_id IS NULL) = 0",
    InboxState.PARKED: "parked_at IS NOT NULL",
}
"""In the words of the indexes `inbox_open` and `inbox_parked`."""
_BEHIND = {
    InboxState.WAITING: "i.id < ?2 ORDER BY i.id DESC",
    InboxState.RUNNING: "i.id < ?2 ORDER BY i.id DESC",
    InboxState.PARKED: "(i.parked_at, i.id) < (?1, ?2) ORDER BY i.parked_at DESC, i.id DESC",
}
_FIRST = InboxPlace(2.0**63, 2**63 - 1)
"""Before all that there can be."""


def select_inbox(
    connection: sqlite3.Connection, state: InboxState, limit: int, behind: InboxPlace | None = None
) -> list[InboxRow]:
    """Messages in a state, newest first; those behind a place."""
    place = behind or _FIRST
    rows = connection.execute(
        f"{_SELECT} WHERE {_WHERE[state]} AND {_BEHIND[state]} LIMIT ?3", (place.parked_at, place.seq, limit)
    )
    return [_row(row, state) for row in rows]


def select_counts(connection: sqlite3.Connection) -> InboxCounts:
    """How many messages are in each state."""
    counts = {
        state.value: connection.execute(f"SELECT count(*) FROM inbox WHERE {where}").fetchone()[0]  # noqa: S608  constants
        for state, where in _WHERE.items()
    }
    return InboxCounts(**counts)


def retry_parked(connection: sqlite3.Connection, run_id: str, opening: str) -> str | None:
    """Put a parked message behind all others, as if it were accepted now; the key of its session.

    Not to its old place: what is at work in its session has seen the conversation without it.
    """
    row = connection.execute(
        "SELECT s.key, i.dedupe_key FROM inbox i JOIN sessions s ON s.id = i.session_id"
        " WHERE i.run_id = ? AND i.parked_at IS NOT NULL",
        (run_id,),
    ).fetchone()
    if row is None:
        return None
    session_key, dedupe_key = row
    connection.execute(
        "UPDATE inbox SET id = (SELECT max(id) + 1 FROM inbox), bound = 0, opening = ?, boot_id = NULL,"
        " first_seq = NULL, attempts = 0, last_error = NULL, parked_at = NULL, finished_at = NULL, result = NULL"
        " WHERE run_id = ?",
        (opening, run_id),
    )
    update_done(connection, dedupe_key, run_id, None)
    return session_key


def delete_parked(connection: sqlite3.Connection, run_id: str) -> bool:
    """Forget a parked message. Its dedupe key stays, so that it does not come back."""
    deleted = connection.execute("DELETE FROM inbox WHERE run_id = ? AND parked_at IS NOT NULL", (run_id,))
    return deleted.rowcount > 0


def _row(row: tuple[Any, ...], state: InboxState) -> InboxRow:
    seq, run_id, session_key, text, deliver, accepted_at, attempts, last_error, parked_at = row
    inbound = None
    with suppress(InvalidValueError, ValueError):  # of a message that was given up because of just this
        inbound = from_json(text, Inbound)
    return InboxRow(
        run_id, session_key, inbound, state, bool(deliver), accepted_at, attempts, last_error, parked_at, seq
    )
