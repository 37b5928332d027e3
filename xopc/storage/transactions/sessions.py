"""Transactions on one session: made, found, changed and forgotten. Lists are in `session_lists.py`, their messages in
`transcripts.py`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.keys import MAIN_AGENT, SessionKey, parse_key, segment
from xopc.contracts.messages import Address
from xopc.storage.path.sessions import Keeping, SessionChange, SessionInfo
from xopc.storage.transactions.columns import storable

SELECT = (
    "SELECT key, agent_id, source, account_id, peer_kind, peer_id, thread_id, created_at, updated_at, message_count,"
    " estimated_tokens, name, model, scope_id, keeping, last_accessed_at, turn_count, token_count, last_turn_at,"
    " thinking_level, reasoning_level, verbose_level, custom_data,"
    " (SELECT json_group_array(tag) FROM session_tags WHERE session_id = sessions.id) FROM sessions"
)
"""The columns are in the order of the fields of `SessionInfo`. `info` reads a row."""

_NEWEST_EMPTY = (
    " WHERE source = ? AND agent_id = ? AND message_count = 0 AND keeping = 'active'"
    " AND NOT EXISTS (SELECT 1 FROM inbox WHERE session_id = sessions.id AND finished_at IS NULL)"
    " ORDER BY id DESC LIMIT 1"
)


def ensure_session(
    connection: sqlite3.Connection, session_key: str, peer: str, now: float, address: Address | None = None
) -> int:
    """The id of the session of this key, made where there is none; `peer` is its peer as the platform spells it, and
    `address` where its first message came from.

    Raises:
        XopcError: INVALID_REQUEST: it is no session key.
    """
    if (found := session_id(connection, session_key)) is not None:
        return found
    key = parse_key(session_key)
    if key is None:
        message = f'"{session_key}" is no session key. One is <agent>:<source>:<account>:<kind>:<peer>.'
        raise XopcError(Failure.INVALID_REQUEST, message)
    account = key.account if address is None else _spelled(address.account, key.account)
    thread = key.thread if address is None or key.thread is None else _spelled(address.thread, key.thread)
    scope = key.scope if isinstance(key, SessionKey) else None
    made = connection.execute(
        "INSERT INTO sessions (key, agent_id, source, account_id, peer_kind, peer_id, thread_id, scope_id, created_at,"
        " updated_at, last_accessed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            session_key,
            key.agent or MAIN_AGENT,
            key.source,
            account,
            key.kind,
            _spelled(peer, key.peer),
            thread,
            scope,
            now,
            now,
            now,
        ),
    )
    return int(made.lastrowid or 0)


def create_session(connection: sqlite3.Connection, session_key: str, peer: str, now: float) -> SessionInfo:
    """As `ensure_session`, but the session itself."""
    made = ensure_session(connection, session_key, peer, now)
    return info(connection.execute(SELECT + " WHERE id = ?", (made,)).fetchone())


def select_session(connection: sqlite3.Connection, session_key: str) -> SessionInfo | None:
    """The session of this key."""
    row = connection.execute(SELECT + " WHERE key = ?", (session_key,)).fetchone()
    return row and info(row)


def select_empty_session(connection: sqlite3.Connection, source: str, agent_id: str) -> SessionInfo | None:
    """The newest active session of this source and agent without messages, and without any that waits."""
    row = connection.execute(SELECT + _NEWEST_EMPTY, (source, agent_id)).fetchone()
    return row and info(row)


def select_active_run(connection: sqlite3.Connection, session_key: str) -> str | None:
    """The run of the oldest message of a session that has no end."""
    row = connection.execute(
        "SELECT i.run_id FROM sessions s JOIN inbox i ON i.session_id = s.id"
        " WHERE s.key = ? AND i.finished_at IS NULL ORDER BY i.id LIMIT 1",
        (session_key,),
    ).fetchone()
    return row and row[0]


def change_session(connection: sqlite3.Connection, session_key: str, change: SessionChange) -> SessionInfo | None:
    """Change what the change names; the session as it is then."""
    changed = session_id(connection, session_key)
    if changed is None:
        return None
    columns: dict[str, str | None] = {}
    if change.keeping is not None:
        columns["keeping"] = change.keeping.value
    if change.name is not None:
        name = storable(change.name)
        columns |= {"name": name or None, "folded_name": name.casefold()}
    if change.custom_data is not None:
        columns["custom_data"] = storable(json.dumps(change.custom_data, ensure_ascii=False))
    for column in ("thinking_level", "reasoning_level", "verbose_level", "model"):
        if (value := getattr(change, column)) is not None:
            columns[column] = value or None
    if columns:
        assignments = ", ".join(f"{column} = ?" for column in columns)
        connection.execute(f"UPDATE sessions SET {assignments} WHERE id = ?", (*columns.values(), changed))  # noqa: S608  names of columns, from above
    if change.tags is not None:
        connection.execute("DELETE FROM session_tags WHERE session_id = ?", (changed,))
        rows = [(changed, storable(tag)) for tag in dict.fromkeys(change.tags)]
        connection.executemany("INSERT INTO session_tags (session_id, tag) VALUES (?, ?)", rows)
    return select_session(connection, session_key)


def touch_sessions(connection: sqlite3.Connection, accesses: Sequence[tuple[str, float]]) -> None:
    """Note when sessions were opened."""
    connection.executemany("UPDATE sessions SET last_accessed_at = max(last_accessed_at, ?2) WHERE key = ?1", accesses)


def delete_session(connection: sqlite3.Connection, session_key: str, now: float) -> bool:
    """Forget a session, its messages, runs and inbox rows. Their dedupe keys stay, as of messages that are done."""
    deleted = session_id(connection, session_key)
    if deleted is None:
        return False
    connection.execute(
        "UPDATE dedupe_keys SET done_at = ? WHERE key IN"
        " (SELECT dedupe_key FROM inbox WHERE session_id = ? AND finished_at IS NULL)",
        (now, deleted),
    )
    connection.execute("DELETE FROM sessions WHERE id = ?", (deleted,))
    return True


def reset_session(connection: sqlite3.Connection, session_key: str, now: float) -> None:
    """Let the history begin after the newest message."""
    connection.execute(
        "UPDATE sessions SET reset_seq = message_count, updated_at = ? WHERE key = ?", (now, session_key)
    )


def update_model(connection: sqlite3.Connection, session_key: str, model: str | None) -> None:
    """Choose the session's model, or leave it to the agent."""
    connection.execute("UPDATE sessions SET model = ? WHERE key = ?", (model, session_key))


def session_id(connection: sqlite3.Connection, session_key: str) -> int | None:
    """The row of a session."""
    row = connection.execute("SELECT id FROM sessions WHERE key = ?", (session_key,)).fetchone()
    return row and row[0]


def info(row: tuple[Any, ...]) -> SessionInfo:
    """A row of `SELECT`."""
    *fields, keeping, accessed, turns, tokens, last_turn, thinking, reasoning, verbose, custom, tags = row
    return SessionInfo(
        *fields,
        keeping=Keeping(keeping),
        last_accessed_at=accessed,
        turn_count=turns,
        token_count=tokens,
        last_turn_at=last_turn,
        thinking_level=thinking,
        reasoning_level=reasoning,
        verbose_level=verbose,
        custom_data=json.loads(custom),
        tags=tuple(json.loads(tags)),
    )


def _spelled(raw: str | None, clean: str) -> str:
    """What a segment of the key was made of, as the platform spells it; of another origin, the segment itself."""
    return raw if raw is not None and segment(raw, "unknown") == clean else clean
