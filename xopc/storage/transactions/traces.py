"""What the database knows of the way of a message, found by any id that it has."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from attrs import frozen

from xopc.contracts.errors import InvalidValueError
from xopc.contracts.messages import Inbound, OutboxRow
from xopc.contracts.transcript import Entry, RunResult
from xopc.storage.base import StorageError
from xopc.storage.connect import connect_reader
from xopc.storage.path.base import API_KEY
from xopc.storage.transactions.columns import from_json
from xopc.storage.transactions.outbox_select import select_of_run, select_row
from xopc.storage.transactions.transcripts import select_steps

MAX_FOUND = 20
"""Messages of one id: platforms count in each chat anew."""


@frozen
class StoredRun:
    """A message of the inbox, and its run. Times are seconds since the epoch."""

    run_id: str
    session_key: str
    dedupe_key: str
    inbound: Inbound | None
    """None where it cannot be read."""
    accepted_at: float
    boot_id: str | None
    """Of the process that has claimed it, or did so last."""
    attempts: int
    last_error: str | None
    finished_at: float | None
    parked_at: float | None
    result: RunResult | None
    steps: tuple[Entry, ...]


@frozen
class StoredTrace:
    """A run with its answers, or a message that no run has made."""

    run: StoredRun | None
    outbox: tuple[OutboxRow, ...]
    """At least one, where there is no run."""

    @property
    def began_at(self) -> float:
        """When the message came in, or was stored to be sent."""
        return self.run.accepted_at if self.run else min(row.created_at for row in self.outbox)


def read_traces(path: Path, wanted: str) -> list[StoredTrace]:
    """As `select_traces`, of the database at `path`, over a connection of its own. Blocks.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        with closing(connect_reader(path)) as connection:
            connection.execute("BEGIN")
            return select_traces(connection, wanted)
    except sqlite3.Error as error:
        raise StorageError(f"The database cannot be read: {error}") from error


def select_traces(connection: sqlite3.Connection, wanted: str) -> list[StoredTrace]:
    """The messages that an id names: of a run, a message of the outbox, a dedupe key or a caller's own, or a platform's
    for what came in or went out. Looks at all rows: never on the event loop."""
    runs = _runs(connection, wanted)
    found = {run: StoredTrace(_run(connection, run), tuple(select_of_run(connection, run))) for run in runs}
    lone = [StoredTrace(None, (row,)) for row in _lone(connection, wanted)]
    known = [trace for trace in found.values() if trace.run or trace.outbox]
    return sorted([*known, *lone], key=lambda trace: trace.began_at)[:MAX_FOUND]


def _runs(connection: sqlite3.Connection, wanted: str) -> list[str]:
    """The runs that an id leads to."""
    rows = connection.execute(
        "SELECT run_id FROM inbox WHERE run_id = :id OR dedupe_key IN (:id, :key)"
        " OR json_extract(inbound, '$.messageId') = :id"
        " UNION SELECT run_id FROM outbox WHERE run_id IS NOT NULL AND (run_id = :id OR id = :id"
        " OR EXISTS (SELECT 1 FROM json_each(platform_ids) WHERE value = :id))"
        " LIMIT :most",
        {"id": wanted, "key": API_KEY + wanted, "most": MAX_FOUND},
    )
    return [run_id for (run_id,) in rows]


def _lone(connection: sqlite3.Connection, wanted: str) -> list[OutboxRow]:
    """Messages of the outbox that no run has made."""
    rows = connection.execute(
        "SELECT id FROM outbox WHERE run_id IS NULL AND (id = :id OR idempotency_key = :id"
        " OR EXISTS (SELECT 1 FROM json_each(platform_ids) WHERE value = :id)) ORDER BY seq LIMIT :most",
        {"id": wanted, "most": MAX_FOUND},
    ).fetchall()
    found = [select_row(connection, row_id) for (row_id,) in rows]
    return [row for row in found if row is not None]


def _run(connection: sqlite3.Connection, run_id: str) -> StoredRun | None:
    row = connection.execute(
        "SELECT s.id, s.key, i.dedupe_key, i.inbound, i.accepted_at, i.boot_id, i.attempts, i.last_error,"
        " i.finished_at, i.parked_at, i.result, i.first_seq"
        " FROM inbox i JOIN sessions s ON s.id = i.session_id WHERE i.run_id = ?",
        (run_id,),
    ).fetchone()
    if row is None:
        return None
    session_id, key, dedupe_key, text, accepted_at, boot, attempts, error, finished_at, parked_at, result, first = row
    inbound = None
    with suppress(InvalidValueError, ValueError):  # of a message that was given up because of just this
        inbound = from_json(text, Inbound)
    return StoredRun(
        run_id=run_id,
        session_key=key,
        dedupe_key=dedupe_key,
        inbound=inbound,
        accepted_at=accepted_at,
        boot_id=boot,
        attempts=attempts,
        last_error=error,
        finished_at=finished_at,
        parked_at=parked_at,
        result=None if result is None else from_json(result, RunResult),
        steps=() if first is None else select_steps(connection, session_id, first, run_id),
    )
