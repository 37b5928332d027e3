"""What runs for each message finds its rows by an index, in a database that is not empty and knows no statistics."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable

import pytest
from attrs import evolve

from tests.storage.values import CHAT, KEY, acceptance, done, outbound, requested, said
from xopc.contracts.cron import Job, JobRun, Payload, PayloadKind, RunStatus, Schedule, ScheduleKind
from xopc.contracts.messages import InboxState, OutboxState
from xopc.storage.path.base import API_KEY, Cursor
from xopc.storage.path.cron import JobClaim, JobRunEnd
from xopc.storage.path.heartbeat import Wake
from xopc.storage.path.inbox import InboxPlace
from xopc.storage.path.outbox import Attempt, OutboxQuery, Pause, Selection, lane_of
from xopc.storage.path.sessions import Keeping, PruneQuery, SessionChange, SessionQuery
from xopc.storage.transactions import (
    cron,
    dedupe,
    heartbeat,
    inbox,
    outbox,
    outbox_select,
    parked,
    runs,
    session_lists,
    sessions,
    transcripts,
)
from xopc.storage.transactions.columns import to_json

SLOW = re.compile(r"\bSCAN (?!heartbeat_wakes|cron_jobs|CONSTANT ROW)|TEMP B-TREE")
"""Of wakes there are 20 at most, of jobs 1000."""
LANE = lane_of(CHAT.channel, CHAT.account, CHAT.chat)


def one_message(connection: sqlite3.Connection) -> None:
    """Everything that happens on the way of a message."""
    inbox.accept(connection, [acceptance("run-1"), acceptance("run-1")], Cursor("telegram", "default", "1"), "now", 1)
    inbox.accept(connection, [acceptance("run-2", bound=True), acceptance("run-3", bound=True)], None, "now", 1)
    inbox.keep(connection, "run-2")
    inbox.withdraw(connection, "run-3")
    inbox.accept(connection, [requested("run-4"), requested("run-4")], None, "now", 1)
    dedupe.select_known(connection, f"{API_KEY}key", "hash", 1)
    inbox.select_cursor(connection, "telegram", "default")
    runs.select_head(connection, KEY)
    runs.claim(connection, KEY, "boot", 2)
    runs.fail_attempt(connection, KEY, "run-1", "It broke.")
    runs.claim(connection, KEY, "boot", 3)
    runs.step(connection, "run-1", said("", "c1"), 4)
    runs.select_result(connection, "run-1")
    transcripts.select_history(connection, KEY, 100)
    transcripts.select_messages(connection, KEY, 100, 2)
    runs.finish(connection, "run-1", done("hi", outbound("hi")), ["msg_1"], 5)
    runs.select_result(connection, "run-1")
    outbox.enqueue(connection, "msg_2", outbound("hi"), "other", 6)
    outbox.enqueue(connection, "msg_3", outbound("hi"), "other", 7)
    outbox_select.select_lanes(connection, "", 10)
    outbox_select.select_head(connection, LANE)
    outbox.begin_attempt(connection, "msg_1")
    outbox.record_part(connection, "msg_1", 1, "17")
    pause = Pause("telegram", "default", 9, 1, "flood")
    outbox.settle(connection, "msg_1", Attempt(OutboxState.DEAD, "no", account_pause=pause), 8)
    outbox.retry_dead(connection, "msg_1", 9)
    outbox_select.select_row(connection, "msg_1")
    outbox_select.select_expired(connection, 9, 10)
    outbox_select.select_next_expiry(connection)
    outbox.give_up(connection, "msg_1", Attempt(OutboxState.DEAD, "late"), 9)


def one_beat(connection: sqlite3.Connection) -> None:
    """Everything that happens at a beat."""
    wake = Wake("trigger", by_hand=True)
    heartbeat.wake(connection, wake)
    heartbeat.select_wakes(connection)
    heartbeat.begin_beat(connection, acceptance("run-4", "heartbeat:main"), "trigger", [wake], "now", 1)
    heartbeat.select_last_beat(connection)
    runs.claim(connection, "heartbeat:main", "boot", 2)
    runs.finish(connection, "run-4", evolve(done("hi", outbound("hi")), once_a_day=True), ["msg_4"], 3)
    inbox.accept(connection, [acceptance("run-5")], None, "now", 4)
    runs.finish(connection, "run-5", evolve(done("hi", outbound("hi")), once_a_day=True), ["msg_5"], 5)


def one_page(connection: sqlite3.Connection) -> None:
    """What a request may ask for."""
    parked.select_counts(connection)
    for state in InboxState:
        parked.select_inbox(connection, state, 50)
        parked.select_inbox(connection, state, 50, InboxPlace(5.5, 7))
    parked.retry_parked(connection, "run-1", "now")
    parked.delete_parked(connection, "run-1")
    inbox.select_unclaimed(connection, 7, 50)
    inbox.release(connection, "boot", 1)
    sessions.create_session(connection, KEY, "4711", 1)
    sessions.select_session(connection, KEY)
    sessions.select_empty_session(connection, "telegram", "main")
    sessions.update_model(connection, KEY, "a/b")
    sessions.reset_session(connection, KEY, 2)
    sessions.select_active_run(connection, KEY)
    sessions.change_session(connection, KEY, SessionChange(Keeping.PINNED, "name", ("a",), {}, model="a/b"))
    sessions.touch_sessions(connection, [(KEY, 3)])
    session_lists.prune_sessions(connection, [KEY], PruneQuery(unused_since=9), 3)
    outbox_select.select_page(connection, OutboxQuery((OutboxState.DEAD, OutboxState.SENT), 50, before=7))
    outbox_select.select_page(connection, OutboxQuery((OutboxState.DEAD,), 50, selection=Selection("telegram", "a")))
    outbox.retry_all_dead(connection, Selection(chat="1"), 9)
    outbox.delete_all_dead(connection, Selection(chat="1"))
    outbox.remove(connection, "msg_1", 9)
    sessions.delete_session(connection, KEY, 3)


def one_run(connection: sqlite3.Connection) -> None:
    """Everything that happens with a job that is due."""
    job = Job("job", Schedule(ScheduleKind.AT, at=1), Payload(PayloadKind.AGENT_TURN, "Hello"), 0, 0)
    run = JobRun("r-1", "job", RunStatus.RUNNING, 2, 1)
    connection.execute(
        "INSERT INTO cron_jobs (id, job, enabled, next_run_at) VALUES (?, ?, 1, 1)", ("job", to_json(job))
    )
    cron.select_due(connection, 2, (1, 0), 50)
    cron.select_next(connection, 2)
    cron.claim(connection, JobClaim(run, "key", acceptance("turn"), None, 1, 1, 10), "msg_1", "now", 2)
    cron.put_off(connection, "r-1", 3, "no")
    cron.resume(connection, "r-1", acceptance("turn 2"), "now", 4)
    cron.select_job(connection, "job")
    cron.select_jobs(connection, 0, 50)
    cron.settle(connection, JobRunEnd("r-1", RunStatus.SUCCESS, outbound=outbound("hi")), "msg_2", 5)
    cron.select_runs(connection, "job", 10)
    cron.select_runs(connection, "job", 10, 7)
    cron.select_runs(connection, None, 10, 7)
    cron.plan(connection, "job", 1, 20)
    cron.update_job(connection, job, 30, 2)
    cron.give_up_schedule(connection, "job", 3, "no")
    cron.prune_runs(connection, 10)
    cron.prune_sessions(connection, 10)
    cron.delete_job(connection, "job")


def plans(connection: sqlite3.Connection, statements: list[str]) -> dict[str, list[str]]:
    return {
        statement: [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")] for statement in statements
    }


@pytest.mark.parametrize("work", [one_message, one_page, one_beat, one_run])
def test_no_statement_reads_a_whole_table_or_sorts(
    connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], None]
) -> None:
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    work(connection)
    connection.set_trace_callback(None)
    assert len(statements) > 10
    slow = {
        statement: plan
        for statement, plan in plans(connection, statements).items()
        if any(SLOW.search(line) for line in plan)
    }
    assert slow == {}


def test_the_plan_of_a_slow_statement_is_recognised(connection: sqlite3.Connection) -> None:
    (plan,) = plans(connection, ["SELECT * FROM inbox ORDER BY inbound"]).values()
    assert any("SCAN" in line for line in plan)
    assert any("TEMP B-TREE" in line for line in plan)


@pytest.mark.parametrize("query", [SessionQuery(), SessionQuery(channel="telegram", agent_id="main")])
@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize(
    ("order", "index"),
    [
        ("updatedAt", " USING INDEX sessions_by_update"),
        ("createdAt", ""),
        ("messageCount", " USING INDEX sessions_by_messages"),
        ("lastAccessedAt", " USING INDEX sessions_by_access"),
    ],
)
def test_the_first_page_of_sessions_is_not_sorted_and_nobody_counts_them(
    connection: sqlite3.Connection, order: str, index: str, descending: bool, query: SessionQuery
) -> None:
    total, page = plans_of_a_page(connection, evolve(query, sort_by=order, descending=descending))
    assert total[0].startswith(("SCAN session_sums", "SEARCH session_sums"))
    assert page[0] == f"SCAN sessions{index}"
    assert not any("TEMP B-TREE" in line for line in page)


def test_few_sessions_of_many_are_read_as_they_lie_and_sorted(connection: sqlite3.Connection) -> None:
    _, page = plans_of_a_page(connection, SessionQuery(search="dm:77"))
    assert page[0] == "SCAN sessions"
    assert any("TEMP B-TREE" in line for line in page)
    _, page = plans_of_a_page(connection, SessionQuery(search="telegram"))
    assert page[0] == "SCAN sessions USING INDEX sessions_by_update"


def test_what_nobody_has_is_not_looked_for(connection: sqlite3.Connection) -> None:
    (total,) = plans_of_a_page(connection, SessionQuery(channel="fax", keepings=frozenset({Keeping.PINNED})))
    assert "session_sums" in total[0]


def plans_of_a_page(connection: sqlite3.Connection, query: SessionQuery) -> list[list[str]]:
    """How the total and the page of a query are found, among more sessions than are sorted."""
    for number in range(session_lists.FEW + 1):
        sessions.ensure_session(connection, f"main:telegram:default:dm:{number}", str(number), number)
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    session_lists.select_sessions(connection, query, 0)
    connection.set_trace_callback(None)
    return list(plans(connection, statements).values())


def test_the_references_of_a_session_are_found_by_an_index(connection: sqlite3.Connection) -> None:
    statements = ["SELECT 1 FROM messages WHERE session_id = 1", "SELECT 1 FROM inbox WHERE session_id = 1"]
    found = plans(connection, statements)
    assert all("USING COVERING INDEX" in line for plan in found.values() for line in plan)
