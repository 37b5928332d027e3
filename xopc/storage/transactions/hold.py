"""What a restored database would do again: what was under way in it is put where somebody decides about it.

A backup is older than the moment that it is put back at. What waited to be sent or answered when it was made has been
sent or answered since, for all that anybody knows. So it stands among the dead letters and the parked messages then:
nothing is lost, and nothing happens twice unless somebody wants it to. Runs of jobs are cancelled, and stand in their
histories: the job itself goes on at its next time.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from attrs import frozen

from xopc.contracts.cron import RunStatus
from xopc.contracts.messages import ErrorClass, OutboxState
from xopc.contracts.transcript import RunState
from xopc.storage.connect import connect_writer, explained
from xopc.storage.migrate import prepare
from xopc.storage.path.base import TurnEnd
from xopc.storage.path.cron import JobRunEnd
from xopc.storage.transactions import cron, heartbeat
from xopc.storage.transactions.runs import end_run, finish


@frozen
class Held:
    """How many messages wait for a decision."""

    outbox: int
    inbox: int


def hold_what_was_under_way(path: Path, taken: str, now: float) -> Held:
    """Bring the database at `path`, which nobody uses, to the newest schema, and hold what was under way in it.

    `taken` says when its backup was made, in words. Durable when it returns, and then the database is one file. Done
    again, it finds nothing to do.

    Raises:
        XopcError: the database cannot be used, has a newer schema than known, or cannot be migrated.
    """
    prepare(path)
    with explained(path), closing(connect_writer(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        _end_jobs(connection, taken, now)
        held = Held(_hold_outbox(connection, taken, now), _hold_inbox(connection, taken, now))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return held


def _end_jobs(connection: sqlite3.Connection, taken: str, now: float) -> None:
    """Before the inbox is held: what the run of a job asked the agent is over with it, and nobody need decide."""
    why = f"It had not ended when the backup of {taken} was made, and may have since. Run it again, or leave it."
    for run in cron.select_open(connection):
        cron.settle(connection, JobRunEnd(run.id, RunStatus.CANCELLED, why), "", now)
        if run.turn_id is not None:
            finish(connection, run.turn_id, TurnEnd(RunState.INTERRUPTED, None, error=why), [], now)
    heartbeat.forget_wakes(connection, heartbeat.select_wakes(connection))


def _hold_outbox(connection: sqlite3.Connection, taken: str, now: float) -> int:
    why = f"It waited when the backup of {taken} was made, and may have been sent since. Send it again, or delete it."
    changed = connection.execute(
        "UPDATE outbox SET state = ?, last_error = ?, error_class = ?, possible_duplicate = 1, next_attempt_at = 0,"
        " pause = 0, settled_at = ? WHERE settled_at IS NULL",
        (OutboxState.DEAD.value, why, ErrorClass.UNKNOWN.value, now),
    )
    return changed.rowcount


def _hold_inbox(connection: sqlite3.Connection, taken: str, now: float) -> int:
    why = f"It waited when the backup of {taken} was made, and may have been answered since."
    rows = connection.execute("SELECT run_id, bound FROM inbox WHERE finished_at IS NULL ORDER BY id").fetchall()
    parked = 0
    for run_id, bound in rows:
        # Whoever waited for the answer of a bound one on a connection has gone: it is over, and nobody need decide.
        state = RunState.INTERRUPTED if bound else RunState.FAILED
        end = TurnEnd(state, None, error=why, parked=not bound)
        connection.execute("UPDATE inbox SET boot_id = NULL, last_error = ? WHERE run_id = ?", (why, run_id))
        end_run(connection, run_id, end, now)
        parked += not bound
    return parked
