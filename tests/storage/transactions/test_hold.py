"""What was under way in a backup is held when it is put back: it is there to be seen, and nothing happens twice."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.storage.values import CHAT, acceptance
from xopc.contracts.cron import Job, JobRun, Payload, PayloadKind, RunStatus, Schedule, ScheduleKind
from xopc.contracts.errors import XopcError
from xopc.contracts.messages import ErrorClass, InboxState, Outbound, OutboxState
from xopc.contracts.transcript import RunState
from xopc.storage.connect import connect_reader, connect_writer
from xopc.storage.migrate import MIGRATIONS, migrate, prepare, schema_version
from xopc.storage.path.base import TurnEnd
from xopc.storage.path.cron import JobClaim
from xopc.storage.path.heartbeat import Wake
from xopc.storage.path.outbox import Attempt
from xopc.storage.transactions import cron, heartbeat
from xopc.storage.transactions.hold import Held, hold_what_was_under_way
from xopc.storage.transactions.inbox import accept
from xopc.storage.transactions.outbox import begin_attempt, enqueue, retry_dead, settle
from xopc.storage.transactions.outbox_select import select_row
from xopc.storage.transactions.parked import retry_parked, select_inbox
from xopc.storage.transactions.runs import claim, finish, select_result

TAKEN = "2026-01-02 03:04 UTC"
NOW = 1000.0


@pytest.fixture
def database(path: Path) -> Path:
    """With a message that is sent, one that waits, one that is being sent; one that waits for its answer, one that is
    being answered, and one whose caller waits."""
    prepare(path)
    with closing(connect_writer(path)) as connection:
        for name in ("sent", "waits", "flies"):
            enqueue(connection, name, Outbound(CHAT, name), None, 1.0)
        begin_attempt(connection, "flies")
        settle(connection, "sent", Attempt(OutboxState.SENT), 2.0)
        items = [acceptance("working", "main:a:default:dm:1"), acceptance("waiting"), acceptance("bound", bound=True)]
        accept(connection, items, None, "opening", 1.0)
        claim(connection, "main:a:default:dm:1", "boot", 2.0)
    return path


def test_what_waited_to_be_sent_is_a_dead_letter_that_can_be_sent_again(database: Path) -> None:
    assert hold_what_was_under_way(database, TAKEN, NOW) == Held(outbox=2, inbox=2)
    with closing(connect_writer(database)) as connection:
        sent, waits, flies = (select_row(connection, name) for name in ("sent", "waits", "flies"))
        assert sent is not None
        assert sent.state is OutboxState.SENT
        for row in (waits, flies):
            assert row is not None
            assert (row.state, row.error_class, row.possible_duplicate) == (OutboxState.DEAD, ErrorClass.UNKNOWN, True)
            assert row.settled_at == NOW
            assert TAKEN in (row.last_error or "")
        assert retry_dead(connection, "waits", NOW)


def test_what_waited_to_be_answered_is_parked_and_can_be_answered(database: Path) -> None:
    hold_what_was_under_way(database, TAKEN, NOW)
    with closing(connect_writer(database)) as connection:
        parked = select_inbox(connection, InboxState.PARKED, 10)
        assert {row.run_id for row in parked} == {"working", "waiting"}
        assert all(TAKEN in (row.last_error or "") for row in parked)
        assert select_inbox(connection, InboxState.WAITING, 10) == []
        assert select_inbox(connection, InboxState.RUNNING, 10) == []
        assert retry_parked(connection, "waiting", "opening") is not None


def test_what_a_caller_waited_for_is_over(database: Path) -> None:
    hold_what_was_under_way(database, TAKEN, NOW)
    with closing(connect_reader(database)) as connection:
        result = select_result(connection, "bound")
        assert result is not None
        assert result.state is RunState.INTERRUPTED


def test_a_job_that_was_running_is_cancelled_and_neither_tried_again_nor_parked(path: Path) -> None:
    prepare(path)
    with closing(connect_writer(path)) as connection:
        for name in ("works", "waits"):
            job = Job(name, Schedule(ScheduleKind.AT, at=1), Payload(PayloadKind.AGENT_TURN, "Hello"), 0, 0)
            cron.insert_job(connection, job, None)
            run = JobRun(f"run of {name}", name, RunStatus.RUNNING, 2)
            claimed = JobClaim(run, name, acceptance(f"turn of {name}", f"cron:{name}"))
            assert cron.claim(connection, claimed, "", "opening", 2.0)
        finish(connection, "turn of waits", TurnEnd(RunState.FAILED, None, error="The model is gone."), [], 3.0)
        cron.put_off(connection, "run of waits", 3.0, "The model is gone.")
        heartbeat.wake(connection, Wake("trigger", by_hand=True))
    assert hold_what_was_under_way(path, TAKEN, NOW) == Held(0, 0)
    with closing(connect_reader(path)) as connection:
        assert cron.select_open(connection) == []
        for run in cron.select_runs(connection, None, 10):
            assert (run.status, run.ended_at, run.retry_at) == (RunStatus.CANCELLED, NOW, None)
            assert TAKEN in (run.error or "")
        result = select_result(connection, "turn of works")
        assert result is not None
        assert result.state is RunState.INTERRUPTED
        assert heartbeat.select_wakes(connection) == []


def test_done_again_there_is_nothing_to_do(database: Path) -> None:
    hold_what_was_under_way(database, TAKEN, NOW)
    assert hold_what_was_under_way(database, TAKEN, NOW) == Held(0, 0)


def test_a_database_of_an_older_version_is_brought_to_the_newest_schema(path: Path) -> None:
    prepare(path, MIGRATIONS[:2])
    with closing(connect_writer(path)) as connection:
        connection.execute(
            "INSERT INTO outbox (id, lane, outbound, created_at) VALUES ('old', 'a\x1fb\x1fc', ?, 1.0)",
            ('{"address":{"channel":"a","account":"b","chat":"c"},"text":"hi"}',),
        )
    assert hold_what_was_under_way(path, TAKEN, NOW) == Held(outbox=1, inbox=0)
    assert schema_version(path) == MIGRATIONS[-1].number


def test_the_database_is_one_file_then(database: Path) -> None:
    hold_what_was_under_way(database, TAKEN, NOW)
    assert [file.name for file in database.parent.glob("xopc.db*")] == ["xopc.db"]


def test_a_newer_schema_is_refused(path: Path) -> None:
    prepare(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, ())
        connection.execute("PRAGMA user_version = 9999")
    with pytest.raises(XopcError, match="newer xopc"):
        hold_what_was_under_way(path, TAKEN, NOW)
