"""Who writes in which session, and from which chat: noted with each message that is accepted."""

from __future__ import annotations

import sqlite3

from xopc.contracts.messages import Inbound
from xopc.storage.transactions.columns import storable

NOTED_SECONDS = 10.0
"""How much later than it is noted somebody may have written last: a note costs as much as the message."""


def person_of(inbound: Inbound) -> str:
    """The id of whoever wrote a message, as ids are compared; within its channel."""
    return storable(inbound.sender.strip().lower())


def author_of(inbound: Inbound) -> str:
    """Whoever wrote a message, among those of all channels: `telegram:123456`."""
    return f"{inbound.address.channel}:{person_of(inbound)}"


def find_noted(
    connection: sqlite3.Connection, session_key: str, inbound: Inbound, now: float
) -> tuple[int | None, bool]:
    """The row of a session, if there is one, and whether it was noted just now that whoever wrote this writes there.

    One statement, because it runs for each message.
    """
    address = inbound.address
    row = connection.execute(
        "SELECT s.id, p.last_at FROM sessions s LEFT JOIN session_people p ON p.session_id = s.id AND p.channel = ?"
        " AND p.account = ? AND p.chat = ? AND p.person = ? WHERE s.key = ?",
        (address.channel, address.account, storable(address.chat), person_of(inbound), session_key),
    ).fetchone()
    if row is None:
        return None, False
    session_id, last_at = row
    return session_id, last_at is not None and last_at > now - NOTED_SECONDS


def note_person(connection: sqlite3.Connection, session_id: int, inbound: Inbound, now: float) -> None:
    """Somebody has written in this session."""
    address = inbound.address
    connection.execute(
        "INSERT INTO session_people (session_id, channel, account, chat, person, peer_kind, last_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET last_at = max(last_at, excluded.last_at)",
        (
            session_id,
            address.channel,
            address.account,
            storable(address.chat),
            person_of(inbound),
            inbound.peer_kind.value,
            now,
        ),
    )
