"""What is wrong with the runs of a job, and what its chat is owed for them: pure, so that it is tested itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from xopc.contracts.cron import Job, JobRun, RunStatus
from xopc.storage.path.cron import OVERLAP

EXACT_SECONDS = 0.002
"""Two times that far apart are the same."""
FIRST_SECONDS = 1.0
"""A job is planned when it is stored, which is a moment after it was made."""
LATE_SECONDS = 10
"""The last time may have come when the job was disabled, and not have been seen yet."""
ENDS = (RunStatus.SUCCESS, RunStatus.FAILED)


def misfired(name: str, job: Job, runs: Sequence[JobRun], stopped_at: float, end: RunStatus) -> Iterator[str]:
    """What is wrong with the runs of a job, from the first to the last: each time that it was due has one, which ended
    as `end`, but for the times that had passed when the run before began. `stopped_at` is when it was disabled."""
    due, exact = _first(job), FIRST_SECONDS
    before: JobRun | None = None
    for run in runs:
        if run.scheduled_at is None or due is None or abs(run.scheduled_at - due) > exact:
            yield f"{name}: it ran for {run.scheduled_at} where {due} was due"
            return
        if run.status is RunStatus.SKIPPED:
            if run.error != OVERLAP or (before and before.ended_at and before.ended_at < run.started_at):
                yield f"{name}: the run of {run.scheduled_at} was skipped: {run.error}"
        elif run.status is not end:
            yield f"{name}: the run of {run.scheduled_at} is {run.status.value}: {run.error}"
        due, exact = _next(job, run), EXACT_SECONDS
        before = before if run.status is RunStatus.SKIPPED else run
    if due is not None and due < stopped_at - LATE_SECONDS:
        yield f"{name}: nothing ran for {due}, {stopped_at - due:.1f} s before it was disabled"


def passed_over(job: Job, runs: Sequence[JobRun]) -> int:
    """How many times had passed when a run began, and were made up for by it."""
    return sum(_steps(job, run) - 1 for run in runs)


def owed(job: Job, runs: Sequence[JobRun], answer: str) -> list[str]:
    """What the chat of a job is told for its runs: the answer of each that went well, and of failures the first in a
    row."""
    texts: list[str] = []
    last = RunStatus.SUCCESS
    for run in runs:
        if run.status is RunStatus.SUCCESS:
            texts.append(answer)
        elif run.status is RunStatus.FAILED and last is RunStatus.SUCCESS:
            texts.append(f"Sorry, the scheduled job {job.name} failed. {run.error}")
        last = run.status if run.status in ENDS else last
    return texts


def attempts(runs: Sequence[JobRun]) -> int:
    """How many turns of the agent they have had."""
    return sum(run.retries + 1 for run in runs if run.turn_id is not None)


def _first(job: Job) -> float | None:
    every_ms = job.schedule.every_ms
    return job.schedule.at if every_ms is None else job.created_at + every_ms / 1000


def _next(job: Job, run: JobRun) -> float | None:
    """The first time of the job, in step with that of a run, that had not come when the run began."""
    every_ms = job.schedule.every_ms
    return None if every_ms is None else (run.scheduled_at or 0.0) + _steps(job, run) * every_ms / 1000


def _steps(job: Job, run: JobRun) -> int:
    """How many times of the job it is from that of a run to the next one."""
    if job.schedule.every_ms is None or run.scheduled_at is None:
        return 1
    return max(math.floor((run.started_at - run.scheduled_at) * 1000 / job.schedule.every_ms) + 1, 1)
