"""The scheduler: begins the runs of jobs when they are due, once each, and keeps the jobs.

What is due is read from the storage each time, so nothing has to be kept in step with it. A run begins with one commit,
in which the job moves on and the run's message is stored: see `storage/path/cron.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from uuid import uuid4
from zoneinfo import ZoneInfo

import structlog
import trio
from attrs import evolve
from structlog.typing import FilteringBoundLogger

from xopc.contracts.cron import Job, JobRun, JobState, RunStatus, StoredJob
from xopc.contracts.messages import Outbound
from xopc.contracts.settings.cron import CronSettings
from xopc.contracts.timezones import find_timezone
from xopc.core.cron.attempts import Attempts, Placed, Wake, acceptance_of, key_of
from xopc.core.cron.policy import MISSED, decide, replanned
from xopc.core.cron.schedule import ScheduleError, next_run
from xopc.core.hub import Hub
from xopc.core.leaps import WallClock
from xopc.core.outbox.retry import STORAGE_MOST_SECONDS, delay_seconds
from xopc.core.sessions.runs import Runs
from xopc.core.sessions.sessions import Sessions
from xopc.storage.base import StorageError
from xopc.storage.path.cron import OVERLAP, CronStorage, JobClaim

LOOK_SECONDS = 30.0
"""The longest sleep: then the clock on the wall is looked at, which may have been set."""
PRUNE_SECONDS = 3600.0
DAY_SECONDS = 24 * 3600.0

_log: FilteringBoundLogger = structlog.get_logger("xopc.cron")


def _nobody() -> None:
    """Hears of a run that went well, and does nothing."""


class Scheduler:
    """The jobs of one generation."""

    def __init__(  # noqa: PLR0917  what a run passes through, in its order
        self,
        storage: CronStorage,
        placed: Placed,
        sessions: Sessions,
        runs: Runs,
        outbox_wake: Callable[[Sequence[str]], None],
        hub: Hub,
        settings: CronSettings,
        *,
        wake: Wake = _nobody,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives the seconds since the epoch; `wake` hears of a run that went well."""
        self._storage = storage
        self._placed = placed
        self._settings = settings
        self._clock = WallClock(clock)
        self._attempts = Attempts(
            storage, placed, sessions, runs, outbox_wake, hub, wake, self._clock, settings.max_concurrent_jobs
        )
        self._woken = trio.Event()
        self._is_draining = False
        self._is_planned = False
        """Whether the jobs' times are right for this clock and these settings."""
        self._leaps = 0

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Go on with what has begun, report started, and begin what is due, until cancelled. Where the storage fails,
        the report does not wait for it.

        *Cancellation*: runs go on with whoever runs next.
        """
        try:
            begun = await self._storage.open_runs()
        except StorageError as error:
            _log.error("The jobs cannot be read; none is run until they can.", error=str(error))
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            begun = await self._open_runs()
        try:
            async with trio.open_nursery() as nursery:
                self._attempts.begin(nursery, begun)
                nursery.start_soon(self._wake_when_there_is_room, name="room")
                nursery.start_soon(self._prune, name="prune")
                nursery.start_soon(self._keep_time, name="time")
                task_status.started()
        finally:
            self._attempts.end()

    def use(self, settings: CronSettings) -> None:
        """Go on with other settings."""
        self._is_planned = self._is_planned and settings.default_timezone == self._settings.default_timezone
        self._settings = settings
        self._attempts.most = settings.max_concurrent_jobs
        self._attempts.freed.unpark_all()
        self.wake()

    def drain(self) -> None:
        """Begin no further run. What has begun goes on with whoever runs next."""
        self._is_draining = True
        self.wake()

    def wake(self) -> None:
        """Something may be due."""
        self._woken.set()

    # ------------------------------------------------------------------- jobs

    async def add(self, job: Job) -> StoredJob:
        """Store a new job.

        Raises:
            ScheduleError: it never comes.
            XopcError: CONFLICT: there are too many.
            StorageError: it was not stored.
        """
        next_run_at = self._planned(job)
        await self._storage.add_job(job, next_run_at)
        self.wake()
        return StoredJob(job, JobState(next_run_at), revision=1)

    async def change(self, job_id: str, edit: Callable[[Job], Job]) -> StoredJob | None:
        """Store what `edit` makes of a job; None where there is none. May call it again, if the job changes meanwhile.

        Raises:
            ScheduleError: it never comes.
            StorageError: it was not stored.
        """
        while (stored := await self._storage.job(job_id)) is not None:
            job = edit(stored.job)
            keeps_time = _timing(job) == _timing(stored.job)
            next_run_at = stored.state.next_run_at if keeps_time else self._planned(job)
            if await self._storage.change_job(job, next_run_at, stored.revision):
                self.wake()
                return await self._storage.job(job_id)
        return None

    async def remove(self, job_id: str) -> bool:
        """Forget a job, and stop the agent that works for it; False where there is none.

        Raises:
            StorageError: nothing was changed.
        """
        is_removed = await self._storage.delete_job(job_id)
        if is_removed:
            self._attempts.stop(job_id)
        return is_removed

    async def trigger(self, job_id: str) -> JobRun | None:
        """Begin a run of a job now, whether it is enabled or not; None where there is none. Its schedule stays.

        Raises:
            XopcError: CONFLICT: it runs already.
            StorageError: it did not begin.
        """
        stored = await self._storage.job(job_id)
        if stored is None:
            return None
        run = JobRun(_run_id(), job_id, RunStatus.RUNNING, self._clock.now(), model=stored.job.chosen_model)
        return await self._begin(stored.job, JobClaim(run, key_of(run)))

    def _planned(self, job: Job) -> float | None:
        return next_run(job.schedule, self._zone(job), self._clock.now()) if job.enabled else None

    def _zone(self, job: Job) -> ZoneInfo:
        name = job.timezone or self._settings.default_timezone
        zone = find_timezone(name)
        if zone is None:
            raise ScheduleError(f"there is no time zone {name} on this machine")
        return zone

    # ------------------------------------------------------------------- time

    async def _keep_time(self) -> None:
        failures = 0
        while not self._is_draining:
            self._woken = trio.Event()
            try:
                pause = await self._begin_what_is_due()
                failures = 0
            except Exception as error:  # whatever it is, the gateway does all else
                failures += 1
                pause = delay_seconds(failures, 0, STORAGE_MOST_SECONDS)
                exc_info = None if isinstance(error, StorageError) else error
                _log.error("The jobs cannot be run.", error=str(error), exc_info=exc_info)
            with trio.move_on_after(pause):
                await self._woken.wait()

    async def _begin_what_is_due(self) -> float:
        """Begin what is due, and give how long there is nothing to do, in seconds."""
        now = self._clock.now()
        if self._clock.leaps != self._leaps or not self._is_planned:
            await self._plan_anew(now)
        if not self._settings.enabled:
            return LOOK_SECONDS
        for stored in await self._storage.due_jobs(now):
            if self._is_draining:
                break
            await trio.lowlevel.checkpoint()  # there may be many, and no room for any
            try:
                await self._meet(stored, now)
            except ScheduleError as error:
                await self._give_up(stored, error)
            except StorageError:
                raise
            except Exception as error:  # it stays due, and the others are not kept from running
                _log.error("A job could not be run.", job=stored.job.id, error=str(error), exc_info=error)
        then = await self._storage.next_job_at(now)
        return LOOK_SECONDS if then is None else min(max(then - self._clock.now(), 0.0), LOOK_SECONDS)

    async def _meet(self, stored: StoredJob, now: float) -> None:
        """Begin the run of a job that is due, or say why not."""
        job, state = stored.job, stored.state
        if state.next_run_at is None:
            return
        due = decide(job.schedule, self._zone(job), state.next_run_at, now)
        run = JobRun(_run_id(), job.id, RunStatus.RUNNING, now, due.scheduled_at, model=job.chosen_model)
        if due.is_missed or state.running_since is not None:
            run = evolve(run, status=RunStatus.SKIPPED, ended_at=now, error=MISSED if due.is_missed else OVERLAP)
            _log.warn("A job was skipped.", job=job.id, due=due.scheduled_at, reason=run.error)
        elif not job.is_direct and not self._attempts.has_room:
            return  # there will be
        await self._begin(
            job,
            JobClaim(
                run,
                key_of(run),
                revision=stored.revision,
                due=state.next_run_at,
                next_run_at=due.next_run_at,
            ),
        )

    async def _begin(self, job: Job, claim: JobClaim) -> JobRun | None:
        """Store the beginning of a run, and see it through."""
        if claim.run.status is RunStatus.SKIPPED:
            begun = await self._storage.claim_run(claim)
        elif job.is_direct:
            begun = await self._send(job, claim)
        else:
            place = self._placed(job, claim.key)
            self._attempts.reserve(claim.run.id)
            try:
                begun = await self._storage.claim_run(evolve(claim, acceptance=acceptance_of(job, place)))
            finally:
                self._attempts.release(claim.run.id)
            if begun is not None and begun.turn_id is not None:
                self._attempts.admit(begun)
                self._attempts.see_through(begun)
        if begun is not None:
            self._attempts.tell(begun)
        return begun

    async def _send(self, job: Job, claim: JobClaim) -> JobRun | None:
        """Send the text of a job as it is: the run has ended when the message is stored."""
        address = self._placed(job, claim.key).answer_to
        now = claim.run.started_at
        if address is None:
            run = evolve(claim.run, status=RunStatus.FAILED, ended_at=now, error="It names no chat.")
            return await self._storage.claim_run(evolve(claim, run=run))
        run = evolve(claim.run, status=RunStatus.SUCCESS, ended_at=now)
        begun = await self._storage.claim_run(evolve(claim, run=run, outbound=Outbound(address, job.payload.text)))
        if begun is not None:
            self._attempts.send_to(address)
        return begun

    async def _plan_anew(self, now: float) -> None:
        """Bring the times of jobs that are not due up to date with the clock, the zones and the settings."""
        self._is_planned, self._leaps = True, self._clock.leaps  # first: the settings may change again meanwhile
        try:
            for stored in await self._storage.jobs():
                await trio.lowlevel.checkpoint()  # there may be many
                await self._plan_job_anew(stored, now)
        except StorageError:
            self._is_planned = False
            raise

    async def _plan_job_anew(self, stored: StoredJob, now: float) -> None:
        job, planned = stored.job, stored.state.next_run_at
        if planned is None or planned <= now:
            return
        try:
            then = replanned(job.schedule, self._zone(job), planned, now)
        except ScheduleError as error:
            await self._give_up(stored, error)
            return
        if then != planned:
            await self._storage.plan_job(job.id, stored.revision, then)

    async def _give_up(self, stored: StoredJob, error: ScheduleError) -> None:
        _log.error("A job is disabled: its schedule is not understood.", job=stored.job.id, error=str(error))
        await self._storage.give_up_schedule(stored.job.id, stored.revision, str(error))

    # ---------------------------------------------------------------- helpers

    async def _open_runs(self) -> list[JobRun]:
        failures = 1
        while True:
            await trio.sleep(delay_seconds(failures, 0, STORAGE_MOST_SECONDS))
            try:
                return await self._storage.open_runs()
            except StorageError as error:
                failures += 1
                _log.error("The jobs cannot be read.", error=str(error))

    async def _wake_when_there_is_room(self) -> None:
        while True:
            await self._attempts.freed.park()
            self.wake()

    async def _prune(self) -> None:
        leaps = self._clock.leaps
        while True:
            now, before, leaps = self._clock.now(), leaps, self._clock.leaps
            try:
                if leaps == before:  # a clock that was just set may be set right again before the next time
                    await self._storage.prune_runs(now - self._settings.history_retention_days * DAY_SECONDS)
            except StorageError as error:
                _log.error("Old runs of jobs could not be forgotten.", error=str(error))
            await trio.sleep(PRUNE_SECONDS)


def _timing(job: Job) -> tuple[object, ...]:
    """What a job's next time follows from."""
    return job.schedule, job.timezone, job.enabled


def _run_id() -> str:
    return str(uuid4())
