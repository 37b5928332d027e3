"""Jobs in the storage: the values and the transactions that the scheduler has for them.

    claim ──▶ (the agent's run) ──▶ settle
                     ▲     │
              resume └─────┴─ put_off

A claim moves the job to its next time, begins the run, and stores the message that the run consists of, in one commit:
a process that dies at any moment has run the job, or has left it due.
"""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from xopc.contracts.cron import Job, JobRun, RunStatus, StoredJob
from xopc.contracts.messages import Outbound
from xopc.storage.path.base import Acceptance, PathStorage

MAX_JOBS = 1000
MAX_RUNS = 500
"""Of one job, in its history."""
OVERLAP = "It was not run: the run before it had not ended."


@frozen
class JobClaim:
    """A run to begin."""

    run: JobRun
    """Running, or skipped; of one that only sends a text, what it is afterwards."""
    key: str
    """The same for each try to begin the same run: no two of them are stored."""
    acceptance: Acceptance | None = None
    """The message for the agent."""
    outbound: Outbound | None = None
    """The message to send, of a job that asks no agent."""
    revision: int = 0
    """Of the job that was seen, where the run was due."""
    due: float | None = None
    """The time of the job that was seen; None where somebody asked for the run, and the job keeps its time."""
    next_run_at: float | None = None
    """The job's time from now on, where the run was due."""


@frozen
class JobRunEnd:
    """The end of a run, and what is sent with it, for one commit."""

    run_id: str
    status: RunStatus
    error: str | None = None
    summary: str | None = None
    model: str | None = None
    outbound: Outbound | None = None


@frozen
class CronTotals:
    """How jobs have fared, since each was made."""

    jobs: int
    enabled: int
    running: int
    successes: int
    failures: int
    cancellations: int
    skips: int
    total_ms: int
    """Of the runs that went well or failed."""


class CronStorage(Protocol):
    """The transactions on jobs and their runs. Raises `StorageError` where nothing was stored."""

    async def add_job(self, job: Job, next_run_at: float | None) -> None:
        """Store a new job.

        Raises:
            XopcError: CONFLICT: there are `MAX_JOBS` already.
        """
        ...

    async def change_job(self, job: Job, next_run_at: float | None, revision: int) -> bool:
        """Store another version of the job of this revision; False where it was changed or deleted meanwhile."""
        ...

    async def delete_job(self, job_id: str) -> bool:
        """Forget a job and its history; False where there is none."""
        ...

    async def job(self, job_id: str) -> StoredJob | None: ...

    async def jobs(self) -> list[StoredJob]:
        """All of them, in the order in which they were made."""
        ...

    async def due_jobs(self, now: float) -> list[StoredJob]:
        """Those whose time has come, the longest due first."""
        ...

    async def next_job_at(self, now: float) -> float | None:
        """The first time after `now` that a job is due."""
        ...

    async def claim_run(self, claim: JobClaim) -> JobRun | None:
        """Begin a run: the job moves on, and the run's message is stored. A run that was due while another one of the
        job goes on is skipped. None where there is nothing to begin: the job was changed, deleted or claimed meanwhile,
        or has had the run for this time already.

        Raises:
            XopcError: CONFLICT: somebody asks for a run while another one goes on.
        """
        ...

    async def put_off(self, run_id: str, retry_at: float, error: str) -> JobRun | None:
        """The attempt has failed, and another one follows; None where the run has ended or was deleted."""
        ...

    async def resume_run(self, run_id: str, acceptance: Acceptance) -> JobRun | None:
        """Begin the next attempt of a run that was put off; None where it has ended or was deleted."""
        ...

    async def settle_run(self, end: JobRunEnd) -> JobRun | None:
        """End a run, once. A job that is due once, and went well, is done: it is disabled. None where the run has ended
        already or was deleted: nothing is stored."""
        ...

    async def open_runs(self) -> list[JobRun]:
        """Those that have not ended, the oldest first."""
        ...

    async def job_runs(self, job_id: str | None, limit: int, before: int | None = None) -> list[JobRun]:
        """The newest runs, of one job or of all; those before a place (`JobRun.seq`)."""
        ...

    async def plan_job(self, job_id: str, revision: int, next_run_at: float | None) -> None:
        """The job of this revision has another time."""
        ...

    async def give_up_schedule(self, job_id: str, revision: int, error: str) -> None:
        """The schedule of the job of this revision is not understood: it is disabled, and says why."""
        ...

    async def cron_totals(self) -> CronTotals: ...

    async def prune_runs(self, before: float) -> None:
        """Forget runs that ended before this moment, and jobs that were due once, and are over since before it."""
        ...


class WholeStorage(PathStorage, CronStorage, Protocol):
    """What a generation and the requests use of the storage."""
