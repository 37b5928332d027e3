"""Transactions on the outbox: messages to send, in lanes that keep their order."""

from __future__ import annotations

import sqlite3
from typing import Any

from xopc.contracts.messages import Outbound, OutboxRow, OutboxState
from xopc.storage.base import StorageError
from xopc.storage.columns import from_json, storable, to_json
from xopc.storage.dedupe import REQUEST_SECONDS, is_of_a_run, key_conflict
from xopc.storage.path_outbox import Attempt, lane_of

KEPT_SECONDS = 24 * 3600
"""How long a message that was sent is kept: not shorter than its idempotency key holds."""
DEAD_SECONDS = 30 * 24 * 3600
MAX_DEAD = 10_000

_SELECT = (
    "SELECT id, outbound, state, created_at, attempts, next_attempt_at, parts_sent, last_error, platform_ids,"
    " possible_duplicate FROM outbox"
)
"""The columns are in the order of the fields of `OutboxRow`."""
_OLDEST_OF_EACH_LANE = " WHERE seq IN (SELECT min(seq) FROM outbox WHERE settled_at IS NULL GROUP BY lane) ORDER BY seq"


def enqueue(
    connection: sqlite3.Connection, row_id: str, outbound: Outbound, idempotency_key: str | None, now: float
) -> tuple[str, bool]:
    """Store a message to send, unless the key is known for the same: the row's id, and whether it was known.

    Raises:
        XopcError: CONFLICT: the key was used for another message, or for a run.
    """
    if idempotency_key is not None:
        row = connection.execute(
            "SELECT id, outbound, settled_at FROM outbox WHERE idempotency_key = ?", (idempotency_key,)
        ).fetchone()
        if row is not None:
            known_id, known, settled_at = row
            if settled_at is None or settled_at > now - REQUEST_SECONDS:
                if from_json(known, Outbound) != from_json(to_json(outbound), Outbound):
                    raise key_conflict(idempotency_key)
                return known_id, True
            connection.execute("UPDATE outbox SET idempotency_key = NULL WHERE id = ?", (known_id,))
        if is_of_a_run(connection, idempotency_key, now):
            raise key_conflict(idempotency_key)
    insert_row(connection, row_id, outbound, idempotency_key, now)
    return row_id, False


def insert_row(
    connection: sqlite3.Connection, row_id: str, outbound: Outbound, idempotency_key: str | None, now: float
) -> None:
    """Add a message at the end of its lane."""
    address = outbound.address
    connection.execute(
        "INSERT INTO outbox (id, lane, outbound, idempotency_key, created_at) VALUES (?, ?, ?, ?, ?)",
        (
            row_id,
            lane_of(address.channel, address.account, address.chat),
            to_json(outbound),
            idempotency_key,
            now,
        ),
    )


def select_heads(connection: sqlite3.Connection) -> list[OutboxRow]:
    """The oldest unsent message of each lane, oldest first."""
    rows = connection.execute(_SELECT + _OLDEST_OF_EACH_LANE)
    return [_row(row) for row in rows]


def select_head(connection: sqlite3.Connection, lane: str) -> OutboxRow | None:
    """The oldest unsent message of a lane."""
    row = connection.execute(
        _SELECT + " WHERE lane = ? AND settled_at IS NULL ORDER BY seq LIMIT 1", (lane,)
    ).fetchone()
    return row and _row(row)


def select_row(connection: sqlite3.Connection, row_id: str) -> OutboxRow | None:
    """The message of this id."""
    row = connection.execute(_SELECT + " WHERE id = ?", (row_id,)).fetchone()
    return row and _row(row)


def select_state(connection: sqlite3.Connection, state: OutboxState, limit: int, offset: int) -> list[OutboxRow]:
    """Messages in a state, newest first."""
    rows = connection.execute(
        _SELECT + " WHERE state = ? ORDER BY seq DESC LIMIT ? OFFSET ?", (state.value, limit, offset)
    )
    return [_row(row) for row in rows]


def recover_outbox(connection: sqlite3.Connection) -> int:
    """Make pending again what was in flight. How many."""
    return connection.execute(
        "UPDATE outbox SET state = 'pending', possible_duplicate = 1 WHERE state = 'inflight'"
    ).rowcount


def begin_attempt(connection: sqlite3.Connection, row_id: str) -> None:
    """In flight, one attempt more.

    Raises:
        StorageError: it is not to be sent: sent already, dead, or deleted.
    """
    changed = connection.execute(
        "UPDATE outbox SET state = 'inflight', attempts = attempts + 1 WHERE id = ? AND settled_at IS NULL", (row_id,)
    )
    if not changed.rowcount:
        raise StorageError(f"Nothing was stored: the outbox has no unsent message {row_id}.")


def record_part(connection: sqlite3.Connection, row_id: str, parts_sent: int, platform_id: str | None) -> None:
    """So many parts were sent; the last of them has this id on the platform."""
    row = connection.execute("SELECT platform_ids FROM outbox WHERE id = ?", (row_id,)).fetchone()
    if row is None:
        return
    platform_ids = from_json(row[0], tuple[str, ...])
    if platform_id is not None:
        platform_ids = (*platform_ids, platform_id)
    connection.execute(
        "UPDATE outbox SET parts_sent = ?, platform_ids = ? WHERE id = ?", (parts_sent, to_json(platform_ids), row_id)
    )


def settle(connection: sqlite3.Connection, row_id: str, attempt: Attempt, now: float) -> None:
    """End an attempt. What is sent or dead stays so."""
    is_settled = attempt.state in (OutboxState.SENT, OutboxState.DEAD)
    connection.execute(
        "UPDATE outbox SET state = ?, last_error = ?, next_attempt_at = ?,"
        " possible_duplicate = max(possible_duplicate, ?), settled_at = ? WHERE id = ? AND settled_at IS NULL",
        (
            attempt.state.value,
            attempt.error and storable(attempt.error),
            attempt.next_attempt_at,
            attempt.possible_duplicate,
            now if is_settled else None,
            row_id,
        ),
    )


def retry_dead(connection: sqlite3.Connection, row_id: str) -> bool:
    """Make a dead message pending, in its old place in the lane; parts that were sent stay sent."""
    changed = connection.execute(
        "UPDATE outbox SET state = 'pending', attempts = 0, next_attempt_at = 0, settled_at = NULL"
        " WHERE id = ? AND state = 'dead'",
        (row_id,),
    )
    return changed.rowcount > 0


def delete_dead(connection: sqlite3.Connection, row_id: str) -> bool:
    """Forget a dead message, and its idempotency key."""
    return connection.execute("DELETE FROM outbox WHERE id = ? AND state = 'dead'", (row_id,)).rowcount > 0


def prune_outbox(connection: sqlite3.Connection, now: float) -> None:
    """Forget what was sent long ago, and dead messages that are too old or too many."""
    connection.execute("DELETE FROM outbox WHERE state = 'sent' AND settled_at < ?", (now - KEPT_SECONDS,))
    connection.execute("DELETE FROM outbox WHERE state = 'dead' AND settled_at < ?", (now - DEAD_SECONDS,))
    connection.execute(
        "DELETE FROM outbox WHERE state = 'dead' AND seq <="
        " (SELECT seq FROM outbox WHERE state = 'dead' ORDER BY seq DESC LIMIT 1 OFFSET ?)",
        (MAX_DEAD,),
    )


def _row(row: tuple[Any, ...]) -> OutboxRow:
    row_id, outbound, state, created_at, attempts, next_attempt_at, parts_sent, error, platform_ids, duplicate = row
    return OutboxRow(
        row_id,
        from_json(outbound, Outbound),
        OutboxState(state),
        created_at,
        attempts,
        next_attempt_at,
        parts_sent,
        error,
        from_json(platform_ids, tuple[str, ...]),
        bool(duplicate),
    )
