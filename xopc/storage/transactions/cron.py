"""Transactions on jobs and their runs."""

from __future__ import annotations

import sqlite3
from typing import Any

from attrs import evolve

from xopc.contracts.cron import Job, JobRun, JobState, RunStatus, ScheduleKind, StoredJob
from xopc.contracts.errors import Failure, XopcError
from xopc.storage.path.base import Acceptance
from xopc.storage.path.cron import MAX_JOBS, MAX_RUNS, OVERLAP, CronTotals, JobClaim, JobRunEnd
from xopc.storage.path.heartbeat import Wake
from xopc.storage.transactions import heartbeat, inbox, outbox
from xopc.storage.transactions.batches import BATCH, delete_some
from xopc.storage.transactions.columns import from_json, storable, to_json

SESSION_SECONDS = 7 * 24 * 3600
"""How long the session of a job is kept that is gone."""
KEPT_MESSAGES = 1000
"""Of the session of a job: ten times what a model is shown."""

_SESSIONS, _AFTER_SESSIONS = "cron:", "cron;"
"""All keys in between are those of jobs: a semicolon follows the colon."""
_JOB = (
    "SELECT j.job, j.enabled, j.revision, j.next_run_at, r.started_at, j.last_run_at, j.last_status, j.last_error,"
    " j.last_duration_ms, j.consecutive_errors, j.schedule_error, j.schedule_errors"
    " FROM cron_jobs j LEFT JOIN cron_runs r ON r.job_id = j.id AND r.ended_at IS NULL"
)
_RUN = (
    "SELECT seq, id, job_id, status, started_at, scheduled_at, ended_at, error, summary, retries, retry_at, turn_id,"
    " session_key, model FROM cron_runs"
)
"""After `seq`, the columns are in the order of the fields of `JobRun`."""

_COUNTERS = {
    RunStatus.SUCCESS: "successes",
    RunStatus.FAILED: "failures",
    RunStatus.CANCELLED: "cancellations",
    RunStatus.SKIPPED: "skips",
}


def insert_job(connection: sqlite3.Connection, job: Job, next_run_at: float | None) -> None:
    """Store a new job.

    Raises:
        XopcError: CONFLICT: there are too many.
    """
    (count,) = connection.execute("SELECT count(*) FROM cron_jobs").fetchone()
    if count >= MAX_JOBS:
        raise XopcError(Failure.CONFLICT, f"There are {count} jobs, which is the most: delete one first.")
    connection.execute(
        "INSERT INTO cron_jobs (id, job, enabled, next_run_at) VALUES (?, ?, ?, ?)",
        (job.id, to_json(job), job.enabled, next_run_at if job.enabled else None),
    )


def update_job(connection: sqlite3.Connection, job: Job, next_run_at: float | None, revision: int) -> bool:
    """Store another version of the job of this revision. Its schedule is understood."""
    changed = connection.execute(
        "UPDATE cron_jobs SET job = ?, enabled = ?, next_run_at = ?, revision = revision + 1, schedule_error = NULL"
        " WHERE id = ? AND revision = ?",
        (to_json(job), job.enabled, next_run_at if job.enabled else None, job.id, revision),
    )
    return changed.rowcount > 0


def delete_job(connection: sqlite3.Connection, job_id: str) -> bool:
    """Forget a job, and with it its runs."""
    return connection.execute("DELETE FROM cron_jobs WHERE id = ?", (job_id,)).rowcount > 0


def select_job(connection: sqlite3.Connection, job_id: str) -> StoredJob | None:
    """The job of this id."""
    row = connection.execute(_JOB + " WHERE j.id = ?", (job_id,)).fetchone()
    return row and _job(row)


def select_jobs(connection: sqlite3.Connection, after: int, limit: int) -> list[tuple[int, StoredJob]]:
    """The first jobs whose seq is above `after`, with theirs: they were made in this order."""
    rows = connection.execute(
        _JOB.replace("SELECT", "SELECT j.seq,", 1) + " WHERE j.seq > ? ORDER BY j.seq LIMIT ?", (after, limit)
    )
    return [(row[0], _job(row[1:])) for row in rows]


def select_due(
    connection: sqlite3.Connection, now: float, after: tuple[float, int], limit: int
) -> list[tuple[int, StoredJob]]:
    """The first jobs whose time has come, the longest due first, behind one with this time and seq; with their seqs."""
    rows = connection.execute(
        _JOB.replace("SELECT", "SELECT j.seq,", 1)
        + " WHERE j.next_run_at <= ? AND (j.next_run_at, j.seq) > (?, ?) ORDER BY j.next_run_at, j.seq LIMIT ?",
        (now, *after, limit),
    )
    return [(row[0], _job(row[1:])) for row in rows]


def select_next(connection: sqlite3.Connection, now: float) -> float | None:
    """The first time after `now` that a job is due."""
    (first,) = connection.execute("SELECT min(next_run_at) FROM cron_jobs WHERE next_run_at > ?", (now,)).fetchone()
    return first


def claim(connection: sqlite3.Connection, claim: JobClaim, row_id: str, opening: str, now: float) -> JobRun | None:
    """Move a job on and begin its run, with the message that it consists of; `row_id` is that of a message to send."""
    run, is_due = claim.run, claim.due is not None
    if is_due and not _move_on(connection, claim):
        return None
    if is_due and _has_had(connection, run):
        return None
    if select_job(connection, run.job_id) is None:
        return None
    if run.status is not RunStatus.SKIPPED and _is_open(connection, run.job_id):
        if not is_due:
            raise XopcError(Failure.CONFLICT, "The job is running already. Ask again when it has ended.")
        run = evolve(run, status=RunStatus.SKIPPED, ended_at=now, error=OVERLAP)
        claim = JobClaim(run, claim.key)
    if claim.acceptance is not None:
        (accepted,) = inbox.accept(connection, [claim.acceptance], None, opening, now)
        run = evolve(run, turn_id=accepted.run_id, session_key=claim.acceptance.session_key)
    if claim.outbound is not None:
        outbox.enqueue(connection, row_id, claim.outbound, claim.key, now)
    _insert_run(connection, run)
    return run


def put_off(connection: sqlite3.Connection, run_id: str, retry_at: float, error: str) -> JobRun | None:
    """Plan the next attempt of a run."""
    connection.execute(
        "UPDATE cron_runs SET retry_at = ?, error = ?, retries = retries + 1, turn_id = NULL"
        " WHERE id = ? AND ended_at IS NULL",
        (retry_at, storable(error), run_id),
    )
    return _open_run(connection, run_id)


def resume(
    connection: sqlite3.Connection, run_id: str, acceptance: Acceptance, opening: str, now: float
) -> JobRun | None:
    """Begin the next attempt of a run."""
    if _open_run(connection, run_id) is None:
        return None
    (accepted,) = inbox.accept(connection, [acceptance], None, opening, now)
    connection.execute(
        "UPDATE cron_runs SET retry_at = NULL, turn_id = ?, session_key = ? WHERE id = ?",
        (accepted.run_id, acceptance.session_key, run_id),
    )
    return _open_run(connection, run_id)


def settle(connection: sqlite3.Connection, end: JobRunEnd, row_id: str, now: float) -> JobRun | None:
    """End a run that has not ended, with the message that is sent; `row_id` is its id."""
    run = _open_run(connection, end.run_id)
    if run is None:
        return None
    if end.outbound is not None:
        outbox.insert_row(connection, row_id, end.outbound, None, now)
    ended = evolve(
        run,
        status=end.status,
        ended_at=now,
        error=end.error and storable(end.error),
        summary=end.summary and storable(end.summary),
        retry_at=None,
        model=end.model or run.model,
    )
    connection.execute(
        "UPDATE cron_runs SET status = ?, ended_at = ?, error = ?, summary = ?, retry_at = NULL, model = ?"
        " WHERE id = ?",
        (ended.status.value, now, ended.error, ended.summary, ended.model, run.id),
    )
    _count(connection, ended)
    return ended


def select_open(connection: sqlite3.Connection) -> list[JobRun]:
    """The runs that have not ended, the oldest first."""
    rows = connection.execute(_RUN + " WHERE ended_at IS NULL")
    return [_run(row[1:]) for row in sorted(rows, key=lambda row: row[0])]


def select_runs(
    connection: sqlite3.Connection, job_id: str | None, limit: int, before: int | None = None
) -> list[JobRun]:
    """The newest runs, of one job or of all; those before a place."""
    place = 2**63 - 1 if before is None else before
    if job_id is None:
        rows = connection.execute(_RUN + " WHERE seq < ? ORDER BY seq DESC LIMIT ?", (place, limit))
    else:
        values = (job_id, place, limit)
        rows = connection.execute(_RUN + " WHERE job_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?", values)
    return [evolve(_run(row[1:]), seq=row[0]) for row in rows]


def plan(connection: sqlite3.Connection, job_id: str, revision: int, next_run_at: float | None) -> None:
    """The enabled job of this revision has another time."""
    connection.execute(
        "UPDATE cron_jobs SET next_run_at = ? WHERE id = ? AND revision = ? AND enabled",
        (next_run_at, job_id, revision),
    )


def give_up_schedule(connection: sqlite3.Connection, job_id: str, revision: int, error: str) -> None:
    """Disable the job of this revision, for its schedule is not understood."""
    connection.execute(
        "UPDATE cron_jobs SET enabled = 0, next_run_at = NULL, revision = revision + 1, schedule_error = ?,"
        " schedule_errors = schedule_errors + 1 WHERE id = ? AND revision = ?",
        (storable(error), job_id, revision),
    )


def select_totals(connection: sqlite3.Connection) -> CronTotals:
    """How jobs have fared, since each was made."""
    row = connection.execute(
        "SELECT count(*), total(enabled), (SELECT count(*) FROM cron_runs WHERE ended_at IS NULL), total(successes),"
        " total(failures), total(cancellations), total(skips), total(total_ms) FROM cron_jobs"
    ).fetchone()
    return CronTotals(*map(int, row))


def prune_runs(connection: sqlite3.Connection, before: float) -> int:
    """Forget runs that ended before this moment, and jobs that were due once, before it; `BATCH` at most. How many."""
    return delete_some(
        connection,
        BATCH,
        ("DELETE FROM cron_runs WHERE seq IN (SELECT seq FROM cron_runs WHERE ended_at < ? LIMIT ?)", (before,)),
        (
            "DELETE FROM cron_jobs WHERE seq IN (SELECT seq FROM cron_jobs WHERE next_run_at IS NULL"
            " AND json_extract(job, '$.schedule.at') < ? AND coalesce(last_run_at, 0) < ?"
            " AND NOT EXISTS (SELECT 1 FROM cron_runs WHERE job_id = cron_jobs.id AND ended_at IS NULL) LIMIT ?)",
            (before, before),
        ),
    )


def prune_sessions(connection: sqlite3.Connection, now: float, most: int = BATCH) -> int:
    """Forget the sessions of jobs that are gone after a week, unless somebody keeps them, and of the others what lies
    far behind; so many rows at most. How many it was."""
    return delete_some(
        connection,
        most,
        (
            "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions s WHERE key >= ? AND key < ? AND updated_at < ?"
            " AND keeping = 'active' AND NOT EXISTS (SELECT 1 FROM cron_jobs j WHERE j.id = substr(s.key, 6))"
            " AND NOT EXISTS (SELECT 1 FROM inbox WHERE session_id = s.id AND finished_at IS NULL) LIMIT ?)",
            (_SESSIONS, _AFTER_SESSIONS, now - SESSION_SECONDS),
        ),
        (
            "DELETE FROM messages WHERE rowid IN (SELECT m.rowid FROM sessions s JOIN messages m ON m.session_id = s.id"
            " WHERE s.key >= ? AND s.key < ? AND m.seq <= s.message_count - ? LIMIT ?)",
            (_SESSIONS, _AFTER_SESSIONS, KEPT_MESSAGES),
        ),
    )


# ------------------------------------------------------------------ helpers


def _move_on(connection: sqlite3.Connection, claim: JobClaim) -> bool:
    """Give a job its next time, if it is as it was seen."""
    moved = connection.execute(
        "UPDATE cron_jobs SET next_run_at = ? WHERE id = ? AND revision = ? AND enabled AND next_run_at = ?",
        (claim.next_run_at, claim.run.job_id, claim.revision, claim.due),
    )
    return moved.rowcount > 0


def _has_had(connection: sqlite3.Connection, run: JobRun) -> bool:
    """Whether the job was run for this time already: a clock that is set back comes by a second time."""
    known = connection.execute(
        "SELECT 1 FROM cron_runs WHERE job_id = ? AND scheduled_at = ? AND status <> 'skipped'",
        (run.job_id, run.scheduled_at),
    )
    return known.fetchone() is not None


def _is_open(connection: sqlite3.Connection, job_id: str) -> bool:
    known = connection.execute("SELECT 1 FROM cron_runs WHERE job_id = ? AND ended_at IS NULL", (job_id,))
    return known.fetchone() is not None


def _insert_run(connection: sqlite3.Connection, run: JobRun) -> None:
    connection.execute(
        "INSERT INTO cron_runs (id, job_id, status, started_at, scheduled_at, ended_at, error, summary, retries,"
        " retry_at, turn_id, session_key, model) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            run.id,
            run.job_id,
            run.status.value,
            run.started_at,
            run.scheduled_at,
            run.ended_at,
            run.error and storable(run.error),
            run.summary and storable(run.summary),
            run.retries,
            run.retry_at,
            run.turn_id,
            run.session_key,
            run.model,
        ),
    )
    connection.execute(
        "DELETE FROM cron_runs WHERE job_id = ? AND ended_at IS NOT NULL AND seq <="
        " (SELECT seq FROM cron_runs WHERE job_id = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
        (run.job_id, run.job_id, MAX_RUNS),
    )
    if run.ended_at is not None:
        _count(connection, run)


def _count(connection: sqlite3.Connection, run: JobRun) -> None:
    """The job fares as a run of it, which has ended, says. One that went well wakes the heartbeat."""
    counter = _COUNTERS[run.status]
    if run.status is RunStatus.SKIPPED:
        connection.execute(f"UPDATE cron_jobs SET {counter} = {counter} + 1 WHERE id = ?", (run.job_id,))  # noqa: S608  a column
        return
    if run.status is RunStatus.SUCCESS:
        heartbeat.wake(connection, Wake(f"cron:{run.job_id}", by_hand=False))
    duration_ms = max(round(((run.ended_at or run.started_at) - run.started_at) * 1000), 0)
    is_timed = run.status in (RunStatus.SUCCESS, RunStatus.FAILED)
    errors = {RunStatus.SUCCESS: "0", RunStatus.FAILED: "consecutive_errors + 1"}.get(run.status, "consecutive_errors")
    connection.execute(
        f"UPDATE cron_jobs SET {counter} = {counter} + 1, consecutive_errors = {errors}, last_run_at = ?,"  # noqa: S608  columns
        " last_status = ?, last_error = ?, last_duration_ms = ?, total_ms = total_ms + ? WHERE id = ?",
        (
            run.started_at,
            run.status.value,
            run.error,
            duration_ms,
            duration_ms if is_timed else 0,
            run.job_id,
        ),
    )
    stored = select_job(connection, run.job_id)
    is_once = stored is not None and stored.job.schedule.kind is ScheduleKind.AT
    if is_once and run.status is RunStatus.SUCCESS and run.scheduled_at is not None:
        connection.execute(
            "UPDATE cron_jobs SET enabled = 0, next_run_at = NULL, revision = revision + 1 WHERE id = ?", (run.job_id,)
        )


def _open_run(connection: sqlite3.Connection, run_id: str) -> JobRun | None:
    row = connection.execute(_RUN + " WHERE id = ? AND ended_at IS NULL", (run_id,)).fetchone()
    return row and _run(row[1:])


def _job(row: tuple[Any, ...]) -> StoredJob:
    text, enabled, revision, next_run_at, running_since, last_run_at, last_status, *rest = row
    job = evolve(from_json(text, Job), enabled=bool(enabled))
    status = None if last_status is None else RunStatus(last_status)
    return StoredJob(job, JobState(next_run_at, running_since, last_run_at, status, *rest), revision)


def _run(row: tuple[Any, ...]) -> JobRun:
    run_id, job_id, status, *rest = row
    return JobRun(run_id, job_id, RunStatus(status), *rest)
