"""Transactions on dedupe keys: which messages are known, however long ago they were answered.

A key of a platform's message is unique for ever, and known until no platform delivers that message again. A key that a
caller of the API chose belongs to one request, and is free again a day after the work for it is done.
"""

from __future__ import annotations

import sqlite3

from xopc.contracts.errors import Failure, XopcError
from xopc.storage.path.base import API_KEY
from xopc.storage.transactions.batches import BATCH, delete_some

PLATFORM_SECONDS = 7 * 24 * 3600
"""How long the key of a platform's message is known after its run. No platform delivers one again after so long."""
REQUEST_SECONDS = 24 * 3600
"""How long a caller's key is known after the end of the work."""

_FORGET = (
    "DELETE FROM dedupe_keys WHERE key IN"
    " (SELECT key FROM dedupe_keys WHERE (request IS NULL) = ? AND done_at < ? ORDER BY done_at LIMIT ?)"
)
_INSERT_NEW = "INSERT INTO dedupe_keys (key, run_id) VALUES (?, ?) ON CONFLICT DO NOTHING"


def select_known(connection: sqlite3.Connection, key: str, request: str | None, now: float) -> str | None:
    """The run that a key names; None where it names none any more. `request` is the hash of what a caller asks for.

    Raises:
        XopcError: CONFLICT: a caller used the key for something else.
    """
    row = connection.execute("SELECT run_id, request, done_at FROM dedupe_keys WHERE key = ?", (key,)).fetchone()
    if row is not None:
        run_id, known, done_at = row
        if known is None or done_at is None or done_at > now - REQUEST_SECONDS:
            if known != request:
                raise key_conflict(key)
            return run_id
    if request is not None and _is_of_an_outbound(connection, key, now):
        raise key_conflict(key)
    return None


def take_key(connection: sqlite3.Connection, key: str, run_id: str, request: str | None, now: float) -> str | None:
    """Let a key name this run from now on; where it names one already, that one, and nothing is changed.

    Raises:
        XopcError: CONFLICT: see `select_known`.
    """
    # The key of a platform's message is nearly always new, and then one statement finds that out and stores it.
    if request is None and connection.execute(_INSERT_NEW, (key, run_id)).rowcount:
        return None
    known = select_known(connection, key, request, now)
    if known is None:
        _replace_key(connection, key, run_id, request)
    return known


def update_done(connection: sqlite3.Connection, key: str, run_id: str, done_at: float | None) -> None:
    """A key grows old from here on; with None, its run is worked on anew. Nothing where it names another run by now."""
    connection.execute("UPDATE dedupe_keys SET done_at = ? WHERE key = ? AND run_id = ?", (done_at, key, run_id))


def delete_key(connection: sqlite3.Connection, key: str, run_id: str) -> None:
    """The message may be accepted anew."""
    connection.execute("DELETE FROM dedupe_keys WHERE key = ? AND run_id = ?", (key, run_id))


def is_of_a_run(connection: sqlite3.Connection, idempotency_key: str, now: float) -> bool:
    """Whether a caller's key names a run, so that it is none for a message to send."""
    row = connection.execute("SELECT done_at FROM dedupe_keys WHERE key = ?", (API_KEY + idempotency_key,)).fetchone()
    return row is not None and (row[0] is None or row[0] > now - REQUEST_SECONDS)


def prune_keys(connection: sqlite3.Connection, now: float, most: int = BATCH) -> int:
    """Forget keys that have been done with for long, so many at most. How many it was."""
    return delete_some(
        connection,
        most,
        (_FORGET, (True, now - PLATFORM_SECONDS)),
        (_FORGET, (False, now - REQUEST_SECONDS)),
    )


def key_conflict(key: str) -> XopcError:
    """A caller's key is taken."""
    shown = key.removeprefix(API_KEY)
    message = f'The idempotency key "{shown}" was used for another message within 24 hours. Use a new key for each.'
    return XopcError(Failure.CONFLICT, message)


def _replace_key(connection: sqlite3.Connection, key: str, run_id: str, request: str | None) -> None:
    connection.execute(
        "INSERT INTO dedupe_keys (key, run_id, request) VALUES (?, ?, ?)"
        " ON CONFLICT (key) DO UPDATE SET run_id = excluded.run_id, request = excluded.request, done_at = NULL",
        (key, run_id, request),
    )


def _is_of_an_outbound(connection: sqlite3.Connection, key: str, now: float) -> bool:
    row = connection.execute(
        "SELECT settled_at FROM outbox WHERE idempotency_key = ?", (key.removeprefix(API_KEY),)
    ).fetchone()
    return row is not None and (row[0] is None or row[0] > now - REQUEST_SECONDS)
