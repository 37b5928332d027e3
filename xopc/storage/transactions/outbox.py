"""Transactions on the outbox: messages to send, in lanes that keep their order."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from xopc.contracts.messages import Outbound, OutboxState
from xopc.storage.path.outbox import Attempt, Pause, Removal, Selection, account_of, lane_of
from xopc.storage.transactions.batches import BATCH, delete_some
from xopc.storage.transactions.columns import from_json, storable, to_json
from xopc.storage.transactions.dedupe import REQUEST_SECONDS, is_of_a_run, key_conflict
from xopc.storage.transactions.outbox_select import condition

KEPT_SECONDS = 24 * 3600
"""How long a message that was sent or cancelled is kept: not shorter than its idempotency key holds."""
DEAD_SECONDS = 30 * 24 * 3600
MAX_DEAD = 10_000

_FORGET_OLD = (
    "DELETE FROM outbox WHERE seq IN"
    " (SELECT seq FROM outbox WHERE state = ? AND settled_at < ? ORDER BY settled_at LIMIT ?)"
)
_REVIVE = (
    "UPDATE outbox SET state = 'pending', attempts = 0, next_attempt_at = 0, pause = 0, unclear = 0, settled_at = NULL,"
    " retried_at = ? WHERE state = 'dead'"
)


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
    connection: sqlite3.Connection,
    row_id: str,
    outbound: Outbound,
    idempotency_key: str | None,
    now: float,
    *,
    run_id: str | None = None,
) -> None:
    """Add a message at the end of its lane; `run_id` names the run whose answer it is."""
    address = outbound.address
    connection.execute(
        "INSERT INTO outbox (id, lane, outbound, idempotency_key, created_at, ttl, run_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            row_id,
            lane_of(address.channel, address.account, address.chat),
            to_json(outbound),
            idempotency_key,
            now,
            outbound.ttl_seconds,
            run_id,
        ),
    )


def recover_outbox(connection: sqlite3.Connection, idempotent: Sequence[str] = ()) -> int:
    """Make pending again what was in flight, and mark it where its channel is none of these. How many were marked."""
    marked = 0
    for row_id, lane in connection.execute("SELECT id, lane FROM outbox WHERE state = 'inflight'").fetchall():
        may_arrive_twice = account_of(lane)[0] not in idempotent
        marked += may_arrive_twice
        connection.execute(
            "UPDATE outbox SET state = 'pending', unclear = unclear + 1,"
            " possible_duplicate = max(possible_duplicate, ?) WHERE id = ?",
            (may_arrive_twice, row_id),
        )
    return marked


def begin_attempt(connection: sqlite3.Connection, row_id: str) -> bool:
    """In flight, one attempt more. False where it is not to be sent: sent already, dead, cancelled, or deleted."""
    changed = connection.execute(
        "UPDATE outbox SET state = 'inflight', attempts = attempts + 1 WHERE id = ? AND settled_at IS NULL", (row_id,)
    )
    return changed.rowcount > 0


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


def settle(connection: sqlite3.Connection, row_id: str, attempt: Attempt, now: float) -> bool:
    """End an attempt, with the pause of its account. What is settled already stays so: False."""
    is_settled = attempt.state not in (OutboxState.PENDING, OutboxState.INFLIGHT)
    if attempt.account_pause is not None:
        _pause(connection, attempt.account_pause)
    changed = connection.execute(
        "UPDATE outbox SET state = ?, last_error = ?, error_class = ?, next_attempt_at = ?, pause = ?,"
        " possible_duplicate = max(possible_duplicate, ?), unclear = unclear + ?, attempts = attempts - ?,"
        " settled_at = ? WHERE id = ? AND settled_at IS NULL",
        (
            attempt.state.value,
            attempt.error and storable(attempt.error),
            attempt.error_class and attempt.error_class.value,
            attempt.next_attempt_at,
            attempt.pause_seconds,
            attempt.possible_duplicate,
            attempt.is_unclear,
            attempt.was_cut,
            now if is_settled else None,
            row_id,
        ),
    )
    return changed.rowcount > 0


def give_up(connection: sqlite3.Connection, row_id: str, attempt: Attempt, now: float) -> bool:
    """Settle a message that waits. One that is being sent, or is settled, stays so: False."""
    waits = connection.execute("SELECT 1 FROM outbox WHERE id = ? AND state = 'pending'", (row_id,)).fetchone()
    return waits is not None and settle(connection, row_id, attempt, now)


def retry_dead(connection: sqlite3.Connection, row_id: str, now: float) -> bool:
    """Make a dead message pending, in its old place in the lane; parts that were sent stay sent."""
    return connection.execute(f"{_REVIVE} AND id = ?", (now, row_id)).rowcount > 0


def retry_all_dead(connection: sqlite3.Connection, selection: Selection, now: float) -> tuple[int, set[str]]:
    """The same for a selection. How many, and their lanes."""
    wanted, values = condition(selection)
    rows = connection.execute(f"SELECT lane FROM outbox WHERE state = 'dead'{wanted}", values)  # noqa: S608  names of columns
    lanes = {lane for (lane,) in rows}
    return connection.execute(_REVIVE + wanted, (now, *values)).rowcount, lanes


def remove(connection: sqlite3.Connection, row_id: str, now: float) -> Removal | None:
    """Cancel a pending message, forget a dead one with its idempotency key; None where there is none."""
    row = connection.execute("SELECT state FROM outbox WHERE id = ?", (row_id,)).fetchone()
    match row and OutboxState(row[0]):
        case None:
            return None
        case OutboxState.PENDING:
            connection.execute(
                "UPDATE outbox SET state = 'cancelled', next_attempt_at = 0, settled_at = ? WHERE id = ?", (now, row_id)
            )
            return Removal.CANCELLED
        case OutboxState.CANCELLED:
            return Removal.CANCELLED
        case OutboxState.DEAD:
            connection.execute("DELETE FROM outbox WHERE id = ?", (row_id,))
            return Removal.FORGOTTEN
        case _:
            return Removal.TOO_LATE


def delete_all_dead(connection: sqlite3.Connection, selection: Selection) -> int:
    """Forget the dead messages of a selection, and their idempotency keys."""
    wanted, values = condition(selection)
    return connection.execute(f"DELETE FROM outbox WHERE state = 'dead'{wanted}", values).rowcount  # noqa: S608  names of columns


def prune_outbox(connection: sqlite3.Connection, now: float, most: int = BATCH) -> int:
    """Forget what was sent or cancelled long ago, and dead messages that are too old or too many, so many rows at most;
    and pauses that are over. How many rows it was."""
    connection.execute("DELETE FROM outbox_pauses WHERE until < ?", (now,))
    return delete_some(
        connection,
        most,
        (_FORGET_OLD, ("sent", now - KEPT_SECONDS)),
        (_FORGET_OLD, ("cancelled", now - KEPT_SECONDS)),
        (_FORGET_OLD, ("dead", now - DEAD_SECONDS)),
        (
            "DELETE FROM outbox WHERE seq IN"
            " (SELECT seq FROM outbox WHERE state = 'dead' ORDER BY seq DESC LIMIT ?2 OFFSET ?1)",
            (MAX_DEAD,),
        ),
    )


def _pause(connection: sqlite3.Connection, pause: Pause) -> None:
    connection.execute(
        "INSERT INTO outbox_pauses (channel, account, until, seconds, reason) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (channel, account) DO UPDATE"
        " SET until = excluded.until, seconds = excluded.seconds, reason = excluded.reason",
        (pause.channel, pause.account, pause.until, pause.seconds, storable(pause.reason)),
    )
