"""What to do with a job that is due, and with a run that failed: pure functions of values."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from attrs import frozen

from xopc.contracts.cron import Job, JobRun, RunStatus, Schedule, ScheduleKind
from xopc.contracts.transcript import SILENT_REPLIES, RunResult, RunState
from xopc.core.cron.schedule import following, next_run

GRACE_SECONDS = 3600.0
"""A job that was due longer ago, while nothing ran, is not made up for."""
BACKOFF_SECONDS = (30.0, 60.0, 300.0, 900.0, 3600.0)
"""Before the first, second … retry; before each further one the last."""
MAX_SUMMARY_CHARS = 2000

MISSED = "It was not run: the gateway did not serve when it was due, and for an hour afterwards."


@frozen
class Due:
    """What becomes of a job whose time has come."""

    scheduled_at: float
    """The time that it is run for."""
    next_run_at: float | None
    is_missed: bool = False
    """Its time is long past: it is not run."""


def decide(schedule: Schedule, zone: ZoneInfo, due: float, now: float) -> Due:
    """What becomes of a job that was due at `due`, which has passed. However many times have passed since, it is run
    once at most, and then for the first of them that is not too long ago.

    Raises:
        ScheduleError: the schedule is not understood any more.
    """
    then = following(schedule, zone, due, now)
    if now - due <= GRACE_SECONDS:
        return Due(due, then)
    recent = following(schedule, zone, due, now - GRACE_SECONDS)
    if recent is None or recent > now:
        return Due(due, then, is_missed=True)
    return Due(recent, then)


def replanned(schedule: Schedule, zone: ZoneInfo, planned: float, now: float) -> float | None:
    """When a job is due whose next run is planned for later, after the clock, its zone or the rules of zones changed.

    Raises:
        ScheduleError: the schedule is not understood any more.
    """
    match schedule.kind:
        case ScheduleKind.AT:
            return planned
        case ScheduleKind.EVERY:
            return min(planned, now + (schedule.every_ms or 0) / 1000)
        case ScheduleKind.CRON:
            return next_run(schedule, zone, now)


def retry_at(job: Job, run: JobRun, now: float) -> float | None:
    """When a run that has failed is tried again; None where it is not."""
    if run.retries >= job.max_retries:
        return None
    return now + BACKOFF_SECONDS[min(run.retries, len(BACKOFF_SECONDS) - 1)]


@frozen
class Outcome:
    """How an attempt ended."""

    status: RunStatus
    error: str | None = None
    reply: str = ""
    model: str | None = None

    @property
    def summary(self) -> str | None:
        """The beginning of the reply."""
        return self.reply[:MAX_SUMMARY_CHARS] or None

    @property
    def announced(self) -> str | None:
        """What is sent to the chat of a run that went well; None where there is nothing to say."""
        text = self.reply.strip()
        return None if not text or text in SILENT_REPLIES else self.reply


def outcome_of(result: RunResult | None, job: Job, *, is_late: bool) -> Outcome:
    """What the end of the agent's run means for the run of a job; `is_late`: it was stopped for taking too long."""
    if result is None:
        return Outcome(RunStatus.CANCELLED, "Its session was deleted before it ended.")
    if result.state is RunState.DONE:
        return Outcome(RunStatus.SUCCESS, reply=result.reply, model=result.model)
    if is_late:
        error = f"The agent did not come to an end within {job.timeout_seconds:g} seconds."
        return Outcome(RunStatus.FAILED, error, result.reply, result.model)
    if result.state is RunState.FAILED:
        return Outcome(RunStatus.FAILED, result.error or "The agent failed.", result.reply, result.model)
    return Outcome(RunStatus.CANCELLED, "Somebody stopped it.", result.reply, result.model)
