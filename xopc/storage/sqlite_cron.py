"""The transactions on jobs in SQLite: each is a function of a connection in `transactions/cron.py`."""

from __future__ import annotations

import math
from collections.abc import Callable

from xopc.contracts.cron import Job, JobRun, StoredJob
from xopc.storage.engine import Engine
from xopc.storage.path.base import Acceptance
from xopc.storage.path.cron import CronTotals, JobClaim, JobRunEnd
from xopc.storage.transactions import cron
from xopc.storage.transactions.batches import in_batches

PAGE_JOBS = 50
"""Read at once."""


class SqliteCron:
    """`storage.path.cron.CronStorage` over one engine. What each does is said there."""

    _engine: Engine
    _clock: Callable[[], float]
    _opening: str
    _next_id: Callable[[float], str]

    async def add_job(self, job: Job, next_run_at: float | None) -> None:
        await self._engine.write(cron.insert_job, job, next_run_at)

    async def change_job(self, job: Job, next_run_at: float | None, revision: int) -> bool:
        return await self._engine.write(cron.update_job, job, next_run_at, revision)

    async def delete_job(self, job_id: str) -> bool:
        return await self._engine.write(cron.delete_job, job_id)

    async def job(self, job_id: str) -> StoredJob | None:
        return await self._engine.read(cron.select_job, job_id)

    async def jobs(self) -> list[StoredJob]:
        found: list[StoredJob] = []
        after = 0
        # What is read holds up the event loop, so that many are not read at once.
        while page := await self._engine.read(cron.select_jobs, after, PAGE_JOBS):
            found += [stored for _, stored in page]
            after = page[-1][0]
        return found

    async def due_jobs(self, now: float) -> list[StoredJob]:
        found: list[StoredJob] = []
        after = (-math.inf, 0)
        while page := await self._engine.read(cron.select_due, now, after, PAGE_JOBS):
            found += [stored for _, stored in page]
            seq, last = page[-1]
            after = (last.state.next_run_at or 0.0, seq)
        return found

    async def next_job_at(self, now: float) -> float | None:
        return await self._engine.read(cron.select_next, now)

    async def claim_run(self, claim: JobClaim) -> JobRun | None:
        now = self._clock()
        return await self._engine.write(cron.claim, claim, self._next_id(now), self._opening, now)

    async def put_off(self, run_id: str, retry_at: float, error: str) -> JobRun | None:
        return await self._engine.write(cron.put_off, run_id, retry_at, error)

    async def resume_run(self, run_id: str, acceptance: Acceptance) -> JobRun | None:
        return await self._engine.write(cron.resume, run_id, acceptance, self._opening, self._clock())

    async def settle_run(self, end: JobRunEnd) -> JobRun | None:
        now = self._clock()
        return await self._engine.write(cron.settle, end, self._next_id(now), now)

    async def open_runs(self) -> list[JobRun]:
        return await self._engine.read(cron.select_open)

    async def job_runs(self, job_id: str | None, limit: int, before: int | None = None) -> list[JobRun]:
        return await self._engine.read(cron.select_runs, job_id, limit, before)

    async def plan_job(self, job_id: str, revision: int, next_run_at: float | None) -> None:
        await self._engine.write(cron.plan, job_id, revision, next_run_at)

    async def give_up_schedule(self, job_id: str, revision: int, error: str) -> None:
        await self._engine.write(cron.give_up_schedule, job_id, revision, error)

    async def cron_totals(self) -> CronTotals:
        return await self._engine.read(cron.select_totals)

    async def prune_runs(self, before: float) -> None:
        await in_batches(self._engine, cron.prune_runs, before)
