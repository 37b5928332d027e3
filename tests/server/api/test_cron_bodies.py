from __future__ import annotations

from xopc.contracts.api.cron import CronSchedule
from xopc.contracts.cron import JobRun, RunStatus, Schedule, ScheduleKind, SessionTarget
from xopc.server.api.cron_bodies import shown_run, shown_schedule, shown_totals
from xopc.storage.path.cron import CronTotals


def test_a_schedule_is_shown_as_it_may_be_sent() -> None:
    assert shown_schedule(Schedule(ScheduleKind.CRON, expr="0 9 * * *")) == "0 9 * * *"
    once = shown_schedule(Schedule(ScheduleKind.AT, at=0.0))
    assert once == CronSchedule(ScheduleKind.AT, None, "1970-01-01T00:00:00.000Z", None)


def test_a_run_that_goes_on_has_no_end_and_no_duration() -> None:
    run = JobRun("r", "job", RunStatus.RUNNING, 10.0, None, retry_at=20.0, session_key="main:main:default:dm:main")
    shown = shown_run(run)
    assert (shown.ended_at, shown.duration, shown.scheduled_at) == (None, None, None)
    assert shown.retry_at == "1970-01-01T00:00:20.000Z"
    assert shown.session_type is SessionTarget.MAIN


def test_a_run_over_which_the_clock_was_set_back_took_no_time() -> None:
    run = JobRun("r", "job", RunStatus.SUCCESS, 10.0, 9.0, ended_at=5.0, session_key="cron:job")
    assert shown_run(run).duration == 0
    assert shown_run(run).session_type is SessionTarget.ISOLATED


def test_the_average_is_of_the_runs_that_came_to_an_end() -> None:
    shown = shown_totals(CronTotals(3, 2, 1, 4, 1, 2, 7, 5000), is_enabled=False)
    assert (shown.total_runs, shown.skipped_runs, shown.average_duration_ms) == (7, 7, 1000)
    assert not shown.scheduler_enabled
    assert shown_totals(CronTotals(0, 0, 0, 0, 0, 0, 0, 0), is_enabled=True).average_duration_ms is None
