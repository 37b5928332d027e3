"""Transactions on transcripts: what a session remembers, append-only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import lru_cache
from typing import Any

from xopc.contracts.transcript import Entry, Message, Role
from xopc.storage.transactions.columns import from_json, to_json

CHARS_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 10
REMEMBERED = 2000
REMEMBERED_CHARS = 2000
"""So many messages, up to this length of JSON, need not be parsed again: 4 MB at the most, 20 windows."""
MAX_PAGE_CHARS = 4 * 1024 * 1024
"""Of messages that are read at once: it keeps the event loop."""

_AFTER_ALL = 2**63 - 1
"""More than any seq."""


def append_message(
    connection: sqlite3.Connection,
    session_id: int,
    run_id: str | None,
    message: Message,
    now: float,
    *,
    author: str | None = None,
) -> Entry:
    """Append to the session's transcript, and count it there; `author` wrote it. What somebody writes in is archived no
    longer."""
    connection.execute(
        "UPDATE sessions SET message_count = message_count + 1, estimated_tokens = estimated_tokens + ?,"
        " updated_at = ?, last_accessed_at = ? WHERE id = ?",
        (estimated_tokens(message), now, now, session_id),
    )
    if message.role is Role.USER:
        connection.execute(
            "UPDATE sessions SET keeping = 'active' WHERE id = ? AND keeping = 'archived'", (session_id,)
        )
    (seq,) = connection.execute("SELECT message_count FROM sessions WHERE id = ?", (session_id,)).fetchone()
    connection.execute(
        "INSERT INTO messages (session_id, seq, run_id, at, message, author) VALUES (?, ?, ?, ?, ?, ?)",
        (session_id, seq, run_id, now, to_json(message), author),
    )
    return Entry(seq, message, run_id, now)


def select_messages(
    connection: sqlite3.Connection, session_key: str, limit: int, before: int | None, most_chars: int = MAX_PAGE_CHARS
) -> list[Entry]:
    """The newest messages before a seq, oldest first; none of an unknown session. So many at most, and so many
    characters of JSON, but one in any case."""
    rows = connection.execute(
        "SELECT m.seq, m.message, m.run_id, m.at FROM sessions s JOIN messages m ON m.session_id = s.id"
        " WHERE s.key = ? AND m.seq < ? ORDER BY m.seq DESC LIMIT ?",
        (session_key, _AFTER_ALL if before is None else before, limit),
    )
    with closing(rows):
        return _entries(reversed(list(_within(rows, most_chars))))


def select_history(connection: sqlite3.Connection, session_key: str, limit: int) -> list[Entry]:
    """The newest messages since the last reset, oldest first, without results of tools whose calls lie before."""
    rows = connection.execute(
        "SELECT m.seq, m.message, m.run_id, m.at FROM sessions s JOIN messages m ON m.session_id = s.id"
        " WHERE s.key = ? AND m.seq > s.reset_seq ORDER BY m.seq DESC LIMIT ?",
        (session_key, limit),
    )
    entries = _entries(reversed(rows.fetchall()))
    orphans = next((i for i, entry in enumerate(entries) if entry.message.role is not Role.TOOL), len(entries))
    return entries[orphans:]


def select_steps(connection: sqlite3.Connection, session_id: int, first_seq: int, run_id: str) -> tuple[Entry, ...]:
    """The messages of a run, which begin at `first_seq`."""
    rows = connection.execute(
        "SELECT seq, message, run_id, at FROM messages WHERE session_id = ? AND seq >= ? AND run_id = ? ORDER BY seq",
        (session_id, first_seq, run_id),
    )
    return tuple(_entries(rows))


def estimated_tokens(message: Message) -> int:
    """A rough count, calls of tools included."""
    characters = len(message.content) + sum(len(call.name) + len(call.arguments) for call in message.tool_calls)
    return characters // CHARS_PER_TOKEN + TOKENS_PER_MESSAGE


def _entries(rows: Iterable[tuple[Any, ...]]) -> list[Entry]:
    return [
        Entry(seq, _remembered(message) if len(message) <= REMEMBERED_CHARS else _message(message), run_id, at)
        for seq, message, run_id, at in rows
    ]


def _within(rows: Iterable[tuple[Any, ...]], most_chars: int) -> Iterator[tuple[Any, ...]]:
    for index, row in enumerate(rows):
        most_chars -= len(row[1])
        if index and most_chars < 0:
            return
        yield row


def _message(text: str) -> Message:
    return from_json(text, Message)


def forget_parsed() -> None:
    """Remember no message any more: what is forgotten in the database shall not stay in memory."""
    _remembered.cache_clear()


# A turn reads the whole window of its session, of which the turn before has read all but the last messages.
_remembered = lru_cache(maxsize=REMEMBERED)(_message)
