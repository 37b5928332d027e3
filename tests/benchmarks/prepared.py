"""Databases that are large from the start, filled by the gateway's own transactions, without a commit for each.

A million messages would take half a minute, so those of one session are copied to the others.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from xopc.contracts.messages import Address, Inbound, Outbound, PeerKind
from xopc.contracts.transcript import Message, Role
from xopc.storage.connect import connect_writer
from xopc.storage.ids import TimeOrderedIds
from xopc.storage.migrate import prepare
from xopc.storage.path.base import Acceptance
from xopc.storage.transactions import inbox, outbox, sessions, transcripts

NOW = 1_800_000_000.0
MESSAGES_EACH = 10
"""Of a session: a hundred thousand sessions have a million."""


def session_key(number: int) -> str:
    """The key of this session of a prepared database, counted from 1."""
    return f"main:telegram:default:dm:{number}"


def with_sessions(path: Path, count: int) -> None:
    """A database with so many sessions, and `MESSAGES_EACH` messages in each."""
    said = Message(Role.USER, "What is the time in the capital of the country that I was in last week?")
    with _filling(path) as connection:
        for number in range(1, count + 1):
            sessions.ensure_session(connection, session_key(number), str(number), NOW + number)
        for number in range(MESSAGES_EACH):
            transcripts.append_message(connection, 1, f"run-{number}", said, NOW + 1)
        _copy_messages(connection)


def with_outbox(path: Path, count: int) -> None:
    """A database with so many messages to send, each to a chat of its own, which is the hardest for a start."""
    ids = TimeOrderedIds()
    with _filling(path) as connection:
        for number in range(1, count + 1):
            outbound = Outbound(Address("telegram", "default", str(number)), "Hello")
            outbox.enqueue(connection, f"msg_{ids.next(NOW)}", outbound, None, NOW)


def with_inbox(path: Path, count: int) -> None:
    """A database with so many messages to answer, each in a session of its own."""
    with _filling(path) as connection:
        for number in range(1, count + 1):
            chat = str(number)
            inbound = Inbound(Address("telegram", "default", chat), PeerKind.DM, chat, "say:hi", f"bench:{number}")
            item = Acceptance(inbound, session_key(number), f"run-{number}")
            inbox.accept(connection, [item], None, "an earlier opening", NOW)


def _copy_messages(connection: sqlite3.Connection) -> None:
    """Give all sessions the messages of the first, whatever columns those have."""
    columns = [row[1] for row in connection.execute("PRAGMA table_info(messages)") if row[1] != "session_id"]
    of_first = ", ".join(f"m.{column}" for column in columns)
    connection.execute(
        f"INSERT INTO messages (session_id, {', '.join(columns)}) SELECT s.id, {of_first}"  # noqa: S608  from the schema
        " FROM sessions s JOIN messages m ON m.session_id = 1 WHERE s.id > 1 ORDER BY s.id, m.seq"
    )
    connection.execute(
        "UPDATE sessions SET (message_count, estimated_tokens) ="
        " (SELECT message_count, estimated_tokens FROM sessions WHERE id = 1) WHERE id > 1"
    )


@contextmanager
def _filling(path: Path) -> Generator[sqlite3.Connection]:
    """A new database, filled in one transaction that need not survive anything."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    prepare(path)
    with closing(connect_writer(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")  # KiB
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
