"""The verdict on jobs: what an outage excuses, and what nothing does."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from tests.e2e.crash.timetable import attempts, misfired, owed, passed_over
from xopc.contracts.cron import Job, JobRun, Payload, PayloadKind, RunStatus, Schedule, ScheduleKind
from xopc.storage.path.cron import OVERLAP

SAID = Payload(PayloadKind.SYSTEM_EVENT, "tick")
EVERY_5 = Job("j", Schedule(ScheduleKind.EVERY, every_ms=5000), SAID, created_at=100.0, updated_at=100.0, name="tick")
ONCE = evolve(EVERY_5, schedule=Schedule(ScheduleKind.AT, at=105.0))


def ran(scheduled_at: float, late: float = 0.1, status: RunStatus = RunStatus.SUCCESS) -> JobRun:
    began = scheduled_at + late
    return JobRun(str(scheduled_at), "j", status, began, scheduled_at, began + 0.5)


RUNS = [ran(105), ran(110), ran(115)]


def complaints(job: Job, runs: Sequence[JobRun], stopped_at: float = 118) -> list[str]:
    return list(misfired("tick", job, runs, stopped_at, RunStatus.SUCCESS))


def test_each_time_has_one_run() -> None:
    assert complaints(EVERY_5, RUNS) == []
    assert complaints(ONCE, RUNS[:1]) == []
    assert passed_over(EVERY_5, RUNS) == 0


@pytest.mark.parametrize("runs", [RUNS[1:], [RUNS[0], RUNS[2]], [*RUNS, RUNS[2]], [*RUNS, ran(117)], RUNS[::-1]])
def test_a_time_without_a_run_with_two_or_out_of_order_is_told(runs: Sequence[JobRun]) -> None:
    assert "was due" in complaints(EVERY_5, runs)[0]


def test_what_had_passed_when_a_run_began_is_made_up_for_by_it() -> None:
    late = [ran(105, late=11.0), ran(120)]
    assert complaints(EVERY_5, late, 123) == []
    assert passed_over(EVERY_5, late) == 2
    assert complaints(EVERY_5, [ran(105, late=4.9), ran(115)])


def test_a_job_that_does_not_run_any_more_is_told() -> None:
    assert "nothing ran for 120" in complaints(EVERY_5, RUNS, 140)[0]
    assert "nothing ran for 105" in complaints(ONCE, [], 140)[0]


def test_a_run_that_ended_otherwise_is_told() -> None:
    for status in (RunStatus.FAILED, RunStatus.RUNNING, RunStatus.CANCELLED):
        assert status.value in complaints(EVERY_5, [*RUNS[:2], ran(115, status=status)])[0]


def test_a_run_is_skipped_only_while_the_one_before_it_goes_on() -> None:
    skipped = evolve(ran(110, status=RunStatus.SKIPPED), error=OVERLAP)
    assert "was skipped" in complaints(EVERY_5, [RUNS[0], skipped, RUNS[2]])[0]
    assert complaints(EVERY_5, [evolve(RUNS[0], ended_at=112.0), skipped, RUNS[2]]) == []
    assert "was skipped" in complaints(EVERY_5, [evolve(skipped, scheduled_at=105.0, error="why not")], 112)[0]


def test_a_chat_is_owed_each_answer_and_the_first_failure_in_a_row() -> None:
    failed = evolve(ran(110, status=RunStatus.FAILED), error="No.")
    skipped = ran(110, status=RunStatus.SKIPPED)
    sorry = "Sorry, the scheduled job tick failed. No."
    assert owed(EVERY_5, RUNS, "tick") == ["tick"] * 3
    assert owed(EVERY_5, [failed, skipped, failed, RUNS[0], failed], "tick") == [sorry, "tick", sorry]


def test_each_attempt_of_the_agent_is_a_turn() -> None:
    assert attempts([RUNS[0], evolve(RUNS[1], turn_id="t"), evolve(RUNS[2], turn_id="u", retries=2)]) == 4
