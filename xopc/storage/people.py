"""Who writes in which session, and from which chat: noted with each message that is accepted."""

from __future__ import annotations

import sqlite3

from xopc.contracts.messages import Inbound
from xopc.storage.columns import storable


def person_of(inbound: Inbound) -> str:
    """The id of whoever wrote a message, as ids are compared; within its channel."""
    return storable(inbound.sender.strip().lower())


def author_of(inbound: Inbound) -> str:
    """Whoever wrote a message, among those of all channels: `telegram:123456`."""
    return f"{inbound.address.channel}:{person_of(inbound)}"


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
