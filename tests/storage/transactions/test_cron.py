from __future__ import annotations

import math
import sqlite3

import pytest
from attrs import evolve

from tests.storage.values import CHAT, acceptance, done
from xopc.contracts.cron import Job, JobRun, Payload, PayloadKind, RunStatus, Schedule, ScheduleKind, StoredJob
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.messages import Outbound
from xopc.storage.path.cron import MAX_JOBS, MAX_RUNS, CronTotals, JobClaim, JobRunEnd
from xopc.storage.path.sessions import Keeping, SessionChange
from xopc.storage.transactions import cron, inbox, outbox_select, runs, sessions, transcripts

JOB = Job(
    id="5f0c1a2b",
    schedule=Schedule(ScheduleKind.CRON, expr="0 9 * * *"),
    payload=Payload(PayloadKind.AGENT_TURN, "Hello"),
    created_at=1,
    updated_at=1,
)
ONCE = evolve(JOB, schedule=Schedule(ScheduleKind.AT, at=10.0))


def running(run_id: str = "r-1", scheduled_at: float | None = 10.0, started_at: float = 10.5) -> JobRun:
    return JobRun(run_id, JOB.id, RunStatus.RUNNING, started_at, scheduled_at)


def claimed(
    connection: sqlite3.Connection,
    run: JobRun,
    *,
    due: float | None = 10.0,
    then: float | None = 20.0,
    revision: int = 1,
    outbound: Outbound | None = None,
) -> JobRun | None:
    """The run that begins, with a message to the agent unless there is one to send."""
    message = acceptance(f"turn of {run.id}") if outbound is None and run.status is RunStatus.RUNNING else None
    claim = JobClaim(run, f"key of {run.id}", message, outbound, revision, due, then)
    return cron.claim(connection, claim, f"msg_{run.id}", "opening", run.started_at)


def stored(connection: sqlite3.Connection) -> StoredJob:
    found = cron.select_job(connection, JOB.id)
    assert found is not None
    return found


def ways(connection: sqlite3.Connection) -> list[RunStatus]:
    return [run.status for run in cron.select_runs(connection, JOB.id, 1000)][::-1]


@pytest.fixture
def made(connection: sqlite3.Connection) -> sqlite3.Connection:
    """A database with a job that is due at 10."""
    cron.insert_job(connection, JOB, 10.0)
    return connection


def test_a_job_is_kept_as_it_was_made(made: sqlite3.Connection) -> None:
    assert stored(made).job == JOB
    assert cron.select_jobs(made, 0, 10) == [(1, stored(made))]
    assert cron.select_jobs(made, 1, 10) == []
    assert (stored(made).state.next_run_at, stored(made).revision) == (10.0, 1)
    assert cron.select_job(made, "nothing") is None


def test_there_is_a_most_of_jobs(connection: sqlite3.Connection) -> None:
    for number in range(MAX_JOBS):
        cron.insert_job(connection, evolve(JOB, id=f"{number:08}"), None)
    with pytest.raises(XopcError, match="There are 1000 jobs") as refused:
        cron.insert_job(connection, JOB, None)
    assert refused.value.failure is Failure.CONFLICT


def test_only_who_has_seen_the_newest_version_changes_a_job(made: sqlite3.Connection) -> None:
    assert cron.update_job(made, evolve(JOB, name="one"), 11.0, revision=1)
    assert not cron.update_job(made, evolve(JOB, name="other"), 12.0, revision=1)
    assert (stored(made).job.name, stored(made).state.next_run_at, stored(made).revision) == ("one", 11.0, 2)


def test_a_disabled_job_has_no_time(made: sqlite3.Connection) -> None:
    cron.update_job(made, evolve(JOB, enabled=False), 11.0, revision=1)
    assert stored(made).state.next_run_at is None
    assert not stored(made).job.enabled


def test_due_are_those_whose_time_has_come(made: sqlite3.Connection) -> None:
    cron.insert_job(made, evolve(JOB, id="earlier"), 5.0)
    cron.insert_job(made, evolve(JOB, id="later"), 30.0)
    cron.insert_job(made, evolve(JOB, id="off", enabled=False), 1.0)
    cron.insert_job(made, evolve(JOB, id="too"), 10.0)
    first, *others = cron.select_due(made, 10.0, (-math.inf, 0), 5)
    assert [due.job.id for _, due in (first, *others)] == ["earlier", JOB.id, "too"]
    assert cron.select_due(made, 10.0, (5.0, first[0]), 5) == others
    assert cron.select_due(made, 10.0, (10.0, others[0][0]), 5) == others[1:]
    assert cron.select_due(made, 10.0, (-math.inf, 0), 1) == [first]
    assert cron.select_next(made, 10.0) == 30.0
    assert cron.select_next(made, 30.0) is None


def test_a_claim_moves_the_job_on_and_stores_its_message(made: sqlite3.Connection) -> None:
    run = claimed(made, running())
    assert run is not None
    assert (run.turn_id, run.session_key) == ("turn of r-1", acceptance("").session_key)
    assert stored(made).state.next_run_at == 20.0
    assert stored(made).state.running_since == 10.5
    assert cron.select_open(made) == [run]
    assert inbox.recover(made, "boot", "other", 11.0) == [run.session_key]


@pytest.mark.parametrize(("due", "revision"), [(9.0, 1), (10.0, 2)])
def test_a_claim_of_a_job_that_is_another_by_now_begins_nothing(
    made: sqlite3.Connection, due: float, revision: int
) -> None:
    assert claimed(made, running(), due=due, revision=revision) is None
    assert stored(made).state.next_run_at == 10.0
    assert cron.select_open(made) == []
    assert inbox.recover(made, "boot", "other", 11.0) == []


def test_a_job_has_no_time_twice(made: sqlite3.Connection) -> None:
    assert claimed(made, running())
    cron.settle(made, JobRunEnd("r-1", RunStatus.SUCCESS), "msg", 11.0)
    cron.plan(made, JOB.id, 1, 10.0)  # the clock was set back
    assert claimed(made, running("r-2")) is None
    assert stored(made).state.next_run_at == 20.0, "it moves on all the same"
    assert ways(made) == [RunStatus.SUCCESS]


def test_a_time_that_was_skipped_may_come_again(made: sqlite3.Connection) -> None:
    assert claimed(made, evolve(running(), status=RunStatus.SKIPPED, ended_at=10.5))
    cron.plan(made, JOB.id, 1, 10.0)
    assert claimed(made, running("r-2"))
    assert ways(made) == [RunStatus.SKIPPED, RunStatus.RUNNING]


def test_a_run_that_is_due_while_another_goes_on_is_skipped_in_the_same_commit(made: sqlite3.Connection) -> None:
    claimed(made, running())
    second = claimed(made, running("r-2", 20.0, 20.5), due=20.0, then=30.0)
    assert second is not None
    assert (second.status, second.turn_id) == (RunStatus.SKIPPED, None)
    assert ways(made) == [RunStatus.RUNNING, RunStatus.SKIPPED]
    assert stored(made).state.next_run_at == 30.0


def test_somebody_who_asks_for_a_run_while_another_goes_on_is_refused(made: sqlite3.Connection) -> None:
    assert claimed(made, running(scheduled_at=None), due=None)
    assert stored(made).state.next_run_at == 10.0, "his run does not move the job"
    with pytest.raises(XopcError) as refused:
        claimed(made, running("r-2", None), due=None)
    assert refused.value.failure is Failure.CONFLICT
    made.execute("DELETE FROM cron_jobs")
    assert claimed(made, running("r-3", None), due=None) is None


def test_a_text_is_to_be_sent_from_the_claim_on(made: sqlite3.Connection) -> None:
    run = evolve(running(), status=RunStatus.SUCCESS, ended_at=10.5)
    assert claimed(made, run, outbound=Outbound(CHAT, "Hello"))
    row = outbox_select.select_row(made, "msg_r-1")
    assert row is not None
    assert row.outbound.text == "Hello"
    assert stored(made).state.last_status is RunStatus.SUCCESS


def test_a_run_ends_once_with_what_is_sent(made: sqlite3.Connection) -> None:
    claimed(made, running())
    end = JobRunEnd("r-1", RunStatus.SUCCESS, None, "Done.", "a/b", Outbound(CHAT, "Done."))
    ended = cron.settle(made, end, "msg_1", 12.5)
    assert ended is not None
    assert (ended.status, ended.summary, ended.model, ended.ended_at) == (RunStatus.SUCCESS, "Done.", "a/b", 12.5)
    assert cron.settle(made, end, "msg_2", 13.0) is None
    assert outbox_select.select_row(made, "msg_1")
    assert outbox_select.select_row(made, "msg_2") is None
    state = stored(made).state
    assert (state.last_run_at, state.last_duration_ms, state.running_since) == (10.5, 2000, None)


def test_failures_in_a_row_are_counted_and_a_success_ends_the_row(made: sqlite3.Connection) -> None:
    for number, way in enumerate([RunStatus.FAILED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.SUCCESS]):
        claimed(made, running(f"r-{number}", None), due=None)
        cron.settle(made, JobRunEnd(f"r-{number}", way, "no" if way is RunStatus.FAILED else None), "msg", 12.5)
        assert stored(made).state.consecutive_errors == [1, 2, 2, 0][number]
    assert cron.select_totals(made) == CronTotals(1, 1, 0, 1, 2, 1, 0, 6000)


def test_a_job_that_is_due_once_is_disabled_when_it_went_well(connection: sqlite3.Connection) -> None:
    cron.insert_job(connection, ONCE, 10.0)
    claimed(connection, running("by hand", None), due=None)
    cron.settle(connection, JobRunEnd("by hand", RunStatus.SUCCESS), "msg", 9.0)
    assert stored(connection).job.enabled, "a run by hand does not count"
    claimed(connection, running(), then=None)
    cron.settle(connection, JobRunEnd("r-1", RunStatus.SUCCESS), "msg", 11.0)
    assert not stored(connection).job.enabled
    assert stored(connection).revision == 2, "who has seen it before does not enable it again"


def test_an_attempt_is_put_off_and_resumed(made: sqlite3.Connection) -> None:
    claimed(made, running())
    waiting = cron.put_off(made, "r-1", 40.0, "The model is gone.")
    assert waiting is not None
    assert (waiting.retry_at, waiting.retries, waiting.turn_id) == (40.0, 1, None)
    resumed = cron.resume(made, "r-1", acceptance("turn 2"), "opening", 41.0)
    assert resumed is not None
    assert (resumed.retry_at, resumed.retries, resumed.turn_id) == (None, 1, "turn 2")
    cron.settle(made, JobRunEnd("r-1", RunStatus.FAILED, "no"), "msg", 42.0)
    assert cron.put_off(made, "r-1", 50.0, "no") is None
    assert cron.resume(made, "r-1", acceptance("turn 3"), "opening", 43.0) is None


def test_a_deleted_job_takes_its_runs_with_it(made: sqlite3.Connection) -> None:
    claimed(made, running())
    assert cron.delete_job(made, JOB.id)
    assert not cron.delete_job(made, JOB.id)
    assert cron.select_runs(made, None, 10) == []
    assert cron.settle(made, JobRunEnd("r-1", RunStatus.SUCCESS), "msg", 11.0) is None


def test_of_one_job_so_many_runs_are_remembered(made: sqlite3.Connection) -> None:
    claimed(made, running("first", None), due=None)
    for number in range(MAX_RUNS + 5):
        skipped = evolve(running(f"r-{number}", float(number)), status=RunStatus.SKIPPED, ended_at=1.0)
        made.execute("UPDATE cron_jobs SET next_run_at = 10")
        claimed(made, skipped)
    runs = cron.select_runs(made, JOB.id, 1000)
    assert len(runs) == MAX_RUNS + 1
    assert runs[-1].id == "first", "and one that goes on in any case"
    cron.prune_runs(made, 2.0)
    assert ways(made) == [RunStatus.RUNNING]


def test_the_newest_runs_of_all_jobs_come_first(made: sqlite3.Connection) -> None:
    cron.insert_job(made, evolve(JOB, id="other"), None)
    claimed(made, running("r-1", None), due=None)
    claimed(made, evolve(running("r-2", None), job_id="other"), due=None)
    assert [run.id for run in cron.select_runs(made, None, 10)] == ["r-2", "r-1"]
    assert [run.id for run in cron.select_runs(made, None, 1)] == ["r-2"]
    assert [run.id for run in cron.select_open(made)] == ["r-1", "r-2"]


def test_a_schedule_that_is_not_understood_disables_its_job_until_it_is_changed(made: sqlite3.Connection) -> None:
    cron.give_up_schedule(made, JOB.id, 1, "no such zone")
    found = stored(made)
    assert (found.job.enabled, found.state.next_run_at) == (False, None)
    assert (found.state.schedule_error, found.state.schedule_errors) == ("no such zone", 1)
    cron.update_job(made, JOB, 30.0, revision=2)
    assert (stored(made).state.schedule_error, stored(made).state.next_run_at) == (None, 30.0)
    cron.give_up_schedule(made, JOB.id, 1, "who has seen an older one")
    assert stored(made).job.enabled


def test_halves_of_surrogate_pairs_are_stored(made: sqlite3.Connection) -> None:
    claimed(made, running())
    ended = cron.settle(made, JobRunEnd("r-1", RunStatus.FAILED, "\ud83d", "\ud83d"), "msg", 11.0)
    assert ended is not None
    assert stored(made).state.last_error == "\ufffd"


def test_a_job_that_was_due_once_is_forgotten_when_it_is_over_for_long(connection: sqlite3.Connection) -> None:
    for name, at in (("done", 10.0), ("missed", 10.0), ("late", 10.0), ("busy", 10.0), ("comes", 900.0)):
        job = evolve(JOB, id=name, schedule=Schedule(ScheduleKind.AT, at=at))
        cron.insert_job(connection, job, at if name == "comes" else None)
    cron.insert_job(connection, evolve(JOB, id="off", enabled=False), None)
    for name, at, ended_at in (("done", 10, 20), ("late", 150, 160), ("busy", 10, None)):
        status = RunStatus.RUNNING if ended_at is None else RunStatus.SUCCESS
        run = JobRun(f"run of {name}", name, status, at, at, ended_at)
        assert cron.claim(connection, JobClaim(run, name), "", "opening", at)
    assert cron.prune_runs(connection, 100) == 3
    assert [each.job.id for _, each in cron.select_jobs(connection, 0, 9)] == ["late", "busy", "comes", "off"]


def test_the_sessions_of_jobs_that_are_gone_are_kept_for_a_week_unless_somebody_keeps_them(
    made: sqlite3.Connection,
) -> None:
    for name in (JOB.id, "gone", "pinned", "waits"):
        inbox.accept(made, [acceptance(name, f"cron:{name}")], None, "opening", 1)
        if name != "waits":
            runs.finish(made, name, done("hi"), [], 1)
    sessions.change_session(made, "cron:pinned", SessionChange(keeping=Keeping.PINNED))
    assert cron.prune_sessions(made, cron.SESSION_SECONDS) == 0
    assert cron.prune_sessions(made, cron.SESSION_SECONDS + 2) == 1
    assert sessions.select_session(made, "cron:gone") is None


def test_of_the_session_of_a_job_the_newest_messages_are_kept(
    made: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cron, "KEPT_MESSAGES", 4)
    for number in range(5):
        inbox.accept(made, [acceptance(f"run-{number}", f"cron:{JOB.id}")], None, "opening", number)
        runs.claim(made, f"cron:{JOB.id}", "boot", number)
        runs.finish(made, f"run-{number}", done("hi"), [], number)
    assert cron.prune_sessions(made, 9) == 6
    entries = transcripts.select_messages(made, f"cron:{JOB.id}", 100, None)
    assert [entry.seq for entry in entries] == [7, 8, 9, 10]
