"""What waits in the database, and since when: by its indexes, however much has been done already."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from attrs import frozen

from xopc.contracts.messages import InboxCounts, OutboxState
from xopc.storage.transactions.parked import select_counts

_UNSENT = (OutboxState.PENDING, OutboxState.INFLIGHT, OutboxState.DEAD)


@frozen
class Backlog:
    """One moment of the two queues."""

    inbox: InboxCounts
    oldest_inbox_at: float | None
    """When the oldest message was accepted that has no answer, in seconds since the epoch; None without one."""
    outbox: Mapping[OutboxState, int]
    """How many wait, are being sent, and were given up."""
    oldest_outbox_at: float | None
    """When the oldest message was stored that is to be sent."""


def select_backlog(connection: sqlite3.Connection) -> Backlog:
    """The backlog of this moment."""
    counted = "SELECT count(*) FROM outbox WHERE state = ?"
    return Backlog(
        inbox=select_counts(connection),
        oldest_inbox_at=_oldest(connection, "SELECT min(accepted_at) FROM inbox WHERE finished_at IS NULL"),
        outbox={state: connection.execute(counted, (state.value,)).fetchone()[0] for state in _UNSENT},
        oldest_outbox_at=_oldest(
            connection, "SELECT min(coalesce(retried_at, created_at)) FROM outbox WHERE settled_at IS NULL"
        ),
    )


def _oldest(connection: sqlite3.Connection, query: str) -> float | None:
    (at,) = connection.execute(query).fetchone()
    return None if at is None else float(at)
