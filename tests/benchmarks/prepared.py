"""Databases that are large from the start: one row of each kind is made by the gateway's own transactions, and copied.

So a column that a later schema adds is filled as the gateway fills it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from xopc.contracts.messages import Address, Inbound, Outbound, PeerKind
from xopc.contracts.transcript import Message, Role
from xopc.storage import inbox, outbox, sessions, transcripts
from xopc.storage.connect import connect_writer
from xopc.storage.ids import TimeOrderedIds
from xopc.storage.migrate import prepare
from xopc.storage.path import Acceptance

NOW = 1_800_000_000.0
MESSAGES_EACH = 10
"""Of a session: a hundred thousand sessions have a million."""
PER_LANE = 10
"""Messages to one chat."""

Row = dict[str, object]
T = TypeVar("T")


def session_key(number: int) -> str:
    """The key of this session of a prepared database."""
    return f"main:telegram:default:dm:{number}"


def with_sessions(path: Path, count: int) -> None:
    """A database with so many sessions, and `MESSAGES_EACH` messages in each."""
    with _filling(path) as connection:
        sessions.ensure_session(connection, session_key(1), "1", NOW)
        said = Message(Role.USER, "What is the time in the capital of the country that I was in last week?")
        for seq in range(MESSAGES_EACH):
            transcripts.append_message(connection, 1, f"run-{seq}", said, NOW)
        _copy(connection, "sessions", range(2, count + 1), _session)
        seqs = range(1, MESSAGES_EACH + 1)
        _copy(
            connection,
            "messages",
            ((session, seq) for session in range(2, count + 1) for seq in seqs),
            lambda row, place: {**row, "session_id": place[0], "seq": place[1], "run_id": f"run-{place[0]}-{place[1]}"},
        )


def with_outbox(path: Path, count: int) -> None:
    """A database with so many messages to send, `PER_LANE` to each chat."""
    ids = TimeOrderedIds()
    with _filling(path) as connection:
        outbox.enqueue(
            connection, f"msg_{ids.next(NOW)}", Outbound(Address("telegram", "default", "1"), "hi"), None, NOW
        )

        def another(row: Row, number: int) -> Row:
            chat = str(number // PER_LANE + 1)
            outbound = str(row["outbound"]).replace('"chat":"1"', f'"chat":"{chat}"')
            lane = outbox.lane_of("telegram", "default", chat)
            return {**row, "seq": number + 1, "id": f"msg_{ids.next(NOW)}", "lane": lane, "outbound": outbound}

        _copy(connection, "outbox", range(1, count), another)


def with_inbox(path: Path, count: int) -> None:
    """A database with so many messages to answer, each in a session of its own."""
    with _filling(path) as connection:
        inbound = Inbound(Address("telegram", "default", "1"), PeerKind.DM, "1", "say:hi", "bench:1")
        inbox.accept(connection, [Acceptance(inbound, session_key(1), "run-1")], None, "an earlier opening", NOW)
        others = range(2, count + 1)
        _copy(connection, "sessions", others, _session)
        _copy(connection, "dedupe_keys", others, lambda row, n: {**row, "key": f"bench:{n}", "run_id": f"run-{n}"})
        _copy(connection, "inbox", others, _waiting)


def _session(row: Row, number: int) -> Row:
    return {**row, "id": number, "key": session_key(number), "peer_id": str(number), "updated_at": NOW + number}


def _waiting(row: Row, number: int) -> Row:
    inbound = str(row["inbound"])
    for name in ("chat", "sender"):
        inbound = inbound.replace(f'"{name}":"1"', f'"{name}":"{number}"')
    inbound = inbound.replace('"bench:1"', f'"bench:{number}"')
    return {
        **row,
        "id": number,
        "run_id": f"run-{number}",
        "session_id": number,
        "dedupe_key": f"bench:{number}",
        "inbound": inbound,
    }


def _copy(connection: sqlite3.Connection, table: str, places: Iterable[T], change: Callable[[Row, T], Row]) -> None:
    """Add a copy of the table's one row for each place, changed."""
    cursor = connection.execute(f"SELECT * FROM {table} LIMIT 1")  # noqa: S608  a name from this file
    names = [column[0] for column in cursor.description]
    row = dict(zip(names, cursor.fetchone(), strict=True))
    connection.executemany(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",  # noqa: S608  as above
        (tuple(change(row, place).values()) for place in places),
    )


@contextmanager
def _filling(path: Path) -> Generator[sqlite3.Connection]:
    """A new database, filled in one transaction that need not survive anything."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    prepare(path)
    with closing(connect_writer(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
