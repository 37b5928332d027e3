from __future__ import annotations

import sqlite3

from tests.storage.values import CHAT, acceptance
from xopc.contracts.messages import ErrorClass, InboxCounts, Outbound, OutboxState
from xopc.storage.path.outbox import Attempt
from xopc.storage.transactions.backlog import Backlog, select_backlog
from xopc.storage.transactions.inbox import accept
from xopc.storage.transactions.outbox import begin_attempt, enqueue, retry_dead, settle
from xopc.storage.transactions.runs import claim


def test_of_an_empty_database_nothing_waits(connection: sqlite3.Connection) -> None:
    unsent = {OutboxState.PENDING: 0, OutboxState.INFLIGHT: 0, OutboxState.DEAD: 0}
    assert select_backlog(connection) == Backlog(InboxCounts(), None, unsent, None)


def test_what_waits_is_counted_with_the_age_of_the_oldest(connection: sqlite3.Connection) -> None:
    accept(connection, [acceptance("one", "main:a:default:dm:1")], None, "opening", 5.0)
    accept(connection, [acceptance("two")], None, "opening", 7.0)
    claim(connection, "main:a:default:dm:1", "boot", 8.0)
    for at, name in enumerate(("sent", "dead", "flies", "waits"), 10):
        enqueue(connection, name, Outbound(CHAT, name), None, float(at))
    settle(connection, "sent", Attempt(OutboxState.SENT), 20.0)
    settle(connection, "dead", Attempt(OutboxState.DEAD, "no", ErrorClass.PERMANENT), 20.0)
    begin_attempt(connection, "flies")
    found = select_backlog(connection)
    assert (found.inbox, found.oldest_inbox_at) == (InboxCounts(waiting=1, running=1), 5.0)
    assert found.outbox == {OutboxState.PENDING: 1, OutboxState.INFLIGHT: 1, OutboxState.DEAD: 1}
    assert found.oldest_outbox_at == 12.0
    retry_dead(connection, "dead", 30.0)
    settle(connection, "flies", Attempt(OutboxState.SENT), 31.0)
    assert select_backlog(connection).oldest_outbox_at == 13.0


def test_what_is_done_is_not_gone_through(connection: sqlite3.Connection) -> None:
    told: list[str] = []
    connection.set_trace_callback(told.append)
    select_backlog(connection)
    connection.set_trace_callback(None)
    for query in told:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
        assert all("USING" in step for step in plan), (query, plan)
