"""Transactions on sessions; their messages are in `transcripts.py`."""

from __future__ import annotations

import sqlite3

from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.keys import MAIN_AGENT, parse_key
from xopc.storage.path_sessions import SessionInfo, SessionQuery

_SELECT = (
    "SELECT key, agent_id, source, account_id, peer_kind, peer_id, thread_id, created_at, updated_at, message_count,"
    " estimated_tokens, name, model FROM sessions"
)
"""The columns are in the order of the fields of `SessionInfo`."""

_FILTER = (
    " WHERE (:channel IS NULL OR source = :channel) AND (:agent IS NULL OR agent_id = :agent)"
    " AND (:search IS NULL OR instr(casefold(key), :search) OR instr(casefold(coalesce(name, '')), :search))"
)

_NEWEST_EMPTY = (
    " WHERE source = ? AND agent_id = ? AND message_count = 0"
    " AND NOT EXISTS (SELECT 1 FROM inbox WHERE session_id = sessions.id AND finished_at IS NULL)"
    " ORDER BY id DESC LIMIT 1"
)

_COUNT = "SELECT count(*) FROM sessions"

_ORDERS = {"updatedAt": "updated_at", "createdAt": "id", "messageCount": "message_count"}
"""Sessions are created in the order of their ids, whatever the clock said."""


def ensure_session(connection: sqlite3.Connection, session_key: str, peer: str, now: float) -> int:
    """The id of the session of this key, made where there is none; `peer` is its peer as the platform spells it.

    Raises:
        XopcError: INVALID_REQUEST: it is no session key.
    """
    if (found := _session_id(connection, session_key)) is not None:
        return found
    key = parse_key(session_key)
    if key is None:
        message = f'"{session_key}" is no session key. One is <agent>:<source>:<account>:<kind>:<peer>.'
        raise XopcError(Failure.INVALID_REQUEST, message)
    made = connection.execute(
        "INSERT INTO sessions"
        " (key, agent_id, source, account_id, peer_kind, peer_id, thread_id, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (session_key, key.agent or MAIN_AGENT, key.source, key.account, key.kind, peer, key.thread, now, now),
    )
    return int(made.lastrowid or 0)


def create_session(connection: sqlite3.Connection, session_key: str, peer: str, now: float) -> SessionInfo:
    """As `ensure_session`, but the session itself."""
    session_id = ensure_session(connection, session_key, peer, now)
    return SessionInfo(*connection.execute(_SELECT + " WHERE id = ?", (session_id,)).fetchone())


def select_session(connection: sqlite3.Connection, session_key: str) -> SessionInfo | None:
    """The session of this key."""
    row = connection.execute(_SELECT + " WHERE key = ?", (session_key,)).fetchone()
    return row and SessionInfo(*row)


def select_sessions(connection: sqlite3.Connection, query: SessionQuery) -> tuple[list[SessionInfo], int]:
    """A page of sessions, and how many there are in all.

    Raises:
        XopcError: INVALID_REQUEST: there is no such order.
    """
    column = _ORDERS.get(query.sort_by)
    if column is None:
        raise XopcError(Failure.INVALID_REQUEST, f'sortBy is "{query.sort_by}": use one of {", ".join(_ORDERS)}.')
    # Of its own, sqlite ignores the case of ASCII letters alone.
    connection.create_function("casefold", 1, str.casefold, deterministic=True)
    parameters = {
        "channel": query.channel,
        "agent": query.agent_id,
        "search": query.search and query.search.casefold(),
        "limit": query.limit,
        "offset": query.offset,
    }
    direction = "DESC" if query.descending else "ASC"
    page = f" ORDER BY {column} {direction}, id {direction} LIMIT :limit OFFSET :offset"
    rows = connection.execute(_SELECT + _FILTER + page, parameters)
    items = [SessionInfo(*row) for row in rows]
    (total,) = connection.execute(_COUNT + _FILTER, parameters).fetchone()
    return items, total


def select_empty_session(connection: sqlite3.Connection, source: str, agent_id: str) -> SessionInfo | None:
    """The newest session of this source and agent without messages, and without any that waits."""
    row = connection.execute(_SELECT + _NEWEST_EMPTY, (source, agent_id)).fetchone()
    return row and SessionInfo(*row)


def delete_session(connection: sqlite3.Connection, session_key: str, now: float) -> bool:
    """Forget a session, its messages, runs and inbox rows. Their dedupe keys stay, as of messages that are done."""
    session_id = _session_id(connection, session_key)
    if session_id is None:
        return False
    connection.execute(
        "UPDATE dedupe_keys SET done_at = ? WHERE key IN"
        " (SELECT dedupe_key FROM inbox WHERE session_id = ? AND finished_at IS NULL)",
        (now, session_id),
    )
    connection.execute("DELETE FROM sessions WHERE id = ?", (session_id,))
    return True


def reset_session(connection: sqlite3.Connection, session_key: str, now: float) -> None:
    """Let the history begin after the newest message."""
    connection.execute(
        "UPDATE sessions SET reset_seq = message_count, updated_at = ? WHERE key = ?", (now, session_key)
    )


def update_model(connection: sqlite3.Connection, session_key: str, model: str | None) -> None:
    """Choose the session's model, or leave it to the agent."""
    connection.execute("UPDATE sessions SET model = ? WHERE key = ?", (model, session_key))


def _session_id(connection: sqlite3.Connection, session_key: str) -> int | None:
    row = connection.execute("SELECT id FROM sessions WHERE key = ?", (session_key,)).fetchone()
    return row and row[0]
