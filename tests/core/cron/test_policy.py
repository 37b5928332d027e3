from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from attrs import evolve

from xopc.contracts.cron import Job, JobRun, Payload, PayloadKind, RunStatus, Schedule, ScheduleKind
from xopc.contracts.transcript import RunResult, RunState
from xopc.core.cron.policy import MAX_SUMMARY_CHARS, Due, Outcome, decide, outcome_of, replanned, retry_at

UTC = ZoneInfo("UTC")
HOUR = 3600.0
EVERY_MINUTE = Schedule(ScheduleKind.EVERY, every_ms=60_000)
HOURLY = Schedule(ScheduleKind.CRON, expr="0 * * * *")
ONCE = Schedule(ScheduleKind.AT, at=HOUR)
JOB = Job("job", HOURLY, Payload(PayloadKind.AGENT_TURN, "Hello"), 0, 0)


@pytest.mark.parametrize(
    ("schedule", "now", "expected"),
    [
        (HOURLY, HOUR + 0.1, Due(HOUR, 2 * HOUR)),
        (HOURLY, 2 * HOUR, Due(HOUR, 3 * HOUR)),
        (EVERY_MINUTE, HOUR + 0.1, Due(HOUR, HOUR + 60)),
        (EVERY_MINUTE, HOUR + 150, Due(HOUR, HOUR + 180)),
        (ONCE, HOUR + 0.1, Due(HOUR, None)),
        (ONCE, 2 * HOUR, Due(HOUR, None)),
    ],
)
def test_a_job_that_was_due_within_the_hour_is_run_for_its_time_once(
    schedule: Schedule, now: float, expected: Due
) -> None:
    assert decide(schedule, UTC, HOUR, now) == expected


def test_of_times_that_are_long_past_the_first_within_the_hour_is_run() -> None:
    assert decide(EVERY_MINUTE, UTC, HOUR, 10 * HOUR + 30) == Due(9 * HOUR + 60, 10 * HOUR + 60)
    assert decide(HOURLY, UTC, HOUR, 10 * HOUR + 30) == Due(10 * HOUR, 11 * HOUR)


def test_where_all_times_are_long_past_none_is_run() -> None:
    daily = Schedule(ScheduleKind.CRON, expr="0 1 * * *")
    assert decide(daily, UTC, HOUR, 3 * HOUR) == Due(HOUR, 25 * HOUR, is_missed=True)
    assert decide(ONCE, UTC, HOUR, 2 * HOUR + 1) == Due(HOUR, None, is_missed=True)


def test_a_plan_follows_a_clock_that_was_set_back() -> None:
    assert replanned(HOURLY, UTC, 10 * HOUR, 2.5 * HOUR) == 3 * HOUR
    assert replanned(EVERY_MINUTE, UTC, 10 * HOUR, HOUR) == HOUR + 60
    assert replanned(EVERY_MINUTE, UTC, HOUR + 10, HOUR) == HOUR + 10
    assert replanned(ONCE, UTC, HOUR, 0.0) == HOUR


@pytest.mark.parametrize(("retries", "pause"), [(0, 30), (1, 60), (2, 300), (3, 900), (4, 3600), (9, 3600)])
def test_each_retry_waits_longer_than_the_one_before(retries: int, pause: float) -> None:
    run = JobRun("r", "job", RunStatus.RUNNING, 0.0, retries=retries)
    assert retry_at(evolve(JOB, max_retries=10), run, 100.0) == 100.0 + pause
    assert retry_at(evolve(JOB, max_retries=retries), run, 100.0) is None


@pytest.mark.parametrize(
    ("state", "is_late", "status", "error"),
    [
        (RunState.DONE, False, RunStatus.SUCCESS, None),
        (RunState.DONE, True, RunStatus.SUCCESS, None),
        (RunState.FAILED, False, RunStatus.FAILED, "no model"),
        (RunState.ABORTED, False, RunStatus.CANCELLED, "Somebody stopped it."),
        (RunState.ABORTED, True, RunStatus.FAILED, "The agent did not come to an end within 60 seconds."),
    ],
)
def test_the_agents_end_is_the_jobs(state: RunState, is_late: bool, status: RunStatus, error: str | None) -> None:
    result = RunResult("turn", "cron:job", state, "Hi", "a/b", error="no model")
    outcome = outcome_of(result, JOB, is_late=is_late)
    assert (outcome.status, outcome.error, outcome.reply, outcome.model) == (status, error, "Hi", "a/b")


def test_a_run_without_an_end_was_deleted() -> None:
    assert outcome_of(None, JOB, is_late=False).status is RunStatus.CANCELLED


def test_of_a_long_answer_the_beginning_is_remembered_and_all_of_it_is_sent() -> None:
    outcome = Outcome(RunStatus.SUCCESS, reply="x" * 5000)
    assert outcome.summary == "x" * MAX_SUMMARY_CHARS
    assert outcome.announced == "x" * 5000


@pytest.mark.parametrize("reply", ["", "  \n", "NO_REPLY", " HEARTBEAT_OK "])
def test_a_silent_answer_is_not_sent(reply: str) -> None:
    assert Outcome(RunStatus.SUCCESS, reply=reply).announced is None
