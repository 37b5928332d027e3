"""Transactions on the inbox: messages that were accepted, until a run begins with them.

A message is stored once: its dedupe key is known from here until long after its end, whatever becomes of its session.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from xopc.contracts.messages import Address, PeerKind
from xopc.contracts.transcript import RunState
from xopc.storage.path.base import Acceptance, Accepted, Cursor, TurnEnd, Unclaimed
from xopc.storage.transactions.batches import BATCH, delete_some
from xopc.storage.transactions.columns import storable, to_json
from xopc.storage.transactions.dedupe import delete_key, prune_keys, take_key
from xopc.storage.transactions.people import find_noted, note_person
from xopc.storage.transactions.runs import end_run
from xopc.storage.transactions.sessions import ensure_session

KEPT_SECONDS = 24 * 3600
"""How long a message that was answered stays in the inbox, and its result can be asked for: not shorter than the key of
a request holds."""
PARKED_SECONDS = 30 * 24 * 3600
MAX_PARKED = 10_000

DIED = "The gateway's process died in the middle of it."

_ABANDONED = TurnEnd(
    RunState.INTERRUPTED, None, error="The gateway was stopped before the answer was complete. Send it again."
)


def accept(
    connection: sqlite3.Connection, items: Sequence[Acceptance], cursor: Cursor | None, opening: str, now: float
) -> list[Accepted]:
    """Store messages that are new, in their order, and how far was read; `opening` names this use of the database."""
    accepted = [_accept_one(connection, item, opening, now) for item in items]
    if cursor is not None:
        connection.execute(
            "INSERT INTO cursors (channel, account, value) VALUES (?, ?, ?)"
            " ON CONFLICT (channel, account) DO UPDATE SET value = excluded.value",
            (cursor.channel, cursor.account, cursor.value),
        )
    return accepted


def select_cursor(connection: sqlite3.Connection, channel: str, account: str) -> str | None:
    """How far an account of a channel has read."""
    row = connection.execute(
        "SELECT value FROM cursors WHERE channel = ? AND account = ?", (channel, account)
    ).fetchone()
    return row and row[0]


def keep(connection: sqlite3.Connection, run_id: str) -> None:
    """Unbind a message from the request that waits for its answer."""
    connection.execute("UPDATE inbox SET bound = 0 WHERE run_id = ?", (run_id,))


def withdraw(connection: sqlite3.Connection, run_id: str) -> bool:
    """Forget a bound message whose run did not begin, and its dedupe key: it may be accepted anew."""
    row = connection.execute(
        "SELECT id, dedupe_key FROM inbox WHERE run_id = ? AND bound AND first_seq IS NULL AND finished_at IS NULL",
        (run_id,),
    ).fetchone()
    if row is None:
        return False
    inbox_id, dedupe_key = row
    connection.execute("DELETE FROM inbox WHERE id = ?", (inbox_id,))
    delete_key(connection, dedupe_key, run_id)
    return True


def recover(connection: sqlite3.Connection, boot_id: str, opening: str, now: float) -> list[str]:
    """Close what was bound to requests of other processes, free what else they had claimed; the sessions with work.

    What a process had not released when it ended is an attempt that failed. A bound message belongs to the process
    that claimed it or, before that, to the opening that accepted it.
    """
    abandoned = connection.execute(
        "SELECT run_id FROM inbox WHERE finished_at IS NULL AND bound"
        " AND CASE WHEN boot_id IS NULL THEN opening <> ? ELSE boot_id <> ? END",
        (opening, boot_id),
    ).fetchall()
    for (run_id,) in abandoned:
        end_run(connection, run_id, _ABANDONED, now)
    connection.execute(
        "UPDATE inbox SET boot_id = NULL, attempts = attempts + 1, last_error = ?"
        " WHERE finished_at IS NULL AND boot_id <> ?",
        (DIED, boot_id),
    )
    keys = connection.execute(
        "SELECT s.key FROM inbox i JOIN sessions s ON s.id = i.session_id WHERE i.finished_at IS NULL"
        " GROUP BY s.id ORDER BY min(i.id)"
    )
    return [key for (key,) in keys]


def select_unclaimed(connection: sqlite3.Connection, after: int, limit: int) -> list[Unclaimed]:
    """So many of what waits, oldest first, behind this place."""
    rows = connection.execute(
        "SELECT i.id, s.key, i.run_id, i.bound FROM inbox i JOIN sessions s ON s.id = i.session_id"
        " WHERE i.finished_at IS NULL AND (i.boot_id IS NULL) = 1 AND i.id > ? ORDER BY i.id LIMIT ?",
        (after, limit),
    )
    return [Unclaimed(place, session_key, run_id, bool(bound)) for place, session_key, run_id, bound in rows]


def release(connection: sqlite3.Connection, boot_id: str, now: float) -> None:
    """Free what a boot has claimed; nothing has failed. What is bound is closed: its caller was sent away."""
    # The plus keeps sqlite from concluding that boot_id is not NULL, and then overlooking the index `inbox_open`.
    bound = connection.execute(
        "SELECT run_id FROM inbox WHERE finished_at IS NULL AND (boot_id IS NULL) = 0 AND +boot_id = ? AND bound",
        (boot_id,),
    ).fetchall()
    for (run_id,) in bound:
        end_run(connection, run_id, _ABANDONED, now)
    connection.execute(
        "UPDATE inbox SET boot_id = NULL WHERE finished_at IS NULL AND (boot_id IS NULL) = 0 AND +boot_id = ?",
        (boot_id,),
    )


def prune_inbox(connection: sqlite3.Connection, now: float, most: int = BATCH) -> int:
    """Forget what was answered long ago, and parked messages that are too old or too many; so many rows at most. How
    many it was."""
    gone = delete_some(
        connection,
        most,
        (
            "DELETE FROM inbox WHERE id IN"
            " (SELECT id FROM inbox WHERE finished_at < ? AND parked_at IS NULL ORDER BY finished_at LIMIT ?)",
            (now - KEPT_SECONDS,),
        ),
        (
            "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox WHERE parked_at < ? ORDER BY parked_at LIMIT ?)",
            (now - PARKED_SECONDS,),
        ),
        (
            "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox WHERE parked_at IS NOT NULL"
            " ORDER BY parked_at DESC, id DESC LIMIT ?2 OFFSET ?1)",
            (MAX_PARKED,),
        ),
    )
    return gone + prune_keys(connection, now, most - gone)


def _accept_one(connection: sqlite3.Connection, item: Acceptance, opening: str, now: float) -> Accepted:
    inbound = item.inbound
    known = take_key(connection, inbound.dedupe_key, item.run_id, item.request, now)
    if known is not None:
        return Accepted(known, duplicate=True)
    session_id, is_noted = find_noted(connection, item.session_key, inbound, now)
    if session_id is None:
        peer = inbound.sender if inbound.peer_kind is PeerKind.DM else inbound.address.chat
        session_id = ensure_session(connection, item.session_key, peer, now, inbound.address)
    if not is_noted:
        note_person(connection, session_id, inbound, now)
    connection.execute(
        "INSERT INTO inbox"
        " (run_id, session_id, dedupe_key, inbound, bound, deliver, model, opening, accepted_at, place)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            item.run_id,
            session_id,
            inbound.dedupe_key,
            to_json(inbound),
            item.bound,
            item.deliver,
            item.model,
            opening,
            now,
            _place(inbound.address) if item.deliver else None,
        ),
    )
    return Accepted(item.run_id, duplicate=False)


def _place(address: Address) -> str:
    """Names a chat, or one thread of it. The separator occurs in no channel's name and no account's."""
    return storable("\x1f".join((address.channel, address.account, address.chat, address.thread or "")))
