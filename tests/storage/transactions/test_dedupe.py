from __future__ import annotations

import sqlite3

import pytest
from attrs import evolve

from tests.storage.values import DAY_SECONDS, KEY, acceptance, done, outbound, requested
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.messages import OutboxState
from xopc.storage.path.base import API_KEY, Acceptance, Accepted
from xopc.storage.path.outbox import Attempt
from xopc.storage.transactions.dedupe import select_known, take_key
from xopc.storage.transactions.inbox import accept, prune_inbox
from xopc.storage.transactions.outbox import enqueue, settle
from xopc.storage.transactions.runs import finish
from xopc.storage.transactions.sessions import delete_session


def take(connection: sqlite3.Connection, item: Acceptance, now: float = 100) -> Accepted:
    (accepted,) = accept(connection, [item], None, "now", now)
    return accepted


def test_the_same_request_under_a_key_has_the_first_run(connection: sqlite3.Connection) -> None:
    take(connection, requested("run-1"))
    assert take(connection, requested("run-2")) == Accepted("run-1", duplicate=True)
    assert select_known(connection, f"{API_KEY}key", "hash", 100) == "run-1"
    assert select_known(connection, f"{API_KEY}other", "hash", 100) is None


@pytest.mark.parametrize("is_done", [False, True])
def test_another_request_under_a_key_is_refused_and_changes_nothing(
    connection: sqlite3.Connection, is_done: bool
) -> None:
    take(connection, requested("run-1"))
    if is_done:
        finish(connection, "run-1", done("ok"), [], 200)
    before = connection.total_changes
    for ask in (
        lambda: take(connection, requested("run-2", request="other")),
        lambda: select_known(connection, f"{API_KEY}key", "other", 100),
    ):
        with pytest.raises(XopcError, match='The idempotency key "key" was used for another message') as caught:
            ask()
        assert caught.value.failure is Failure.CONFLICT
    assert connection.total_changes == before


def test_a_key_holds_while_the_work_goes_on_and_a_day_after_its_end(connection: sqlite3.Connection) -> None:
    take(connection, requested("run-1"))
    assert take(connection, requested("run-2"), 9 * DAY_SECONDS).duplicate
    finish(connection, "run-1", done("ok"), [], 10 * DAY_SECONDS)
    assert take(connection, requested("run-2"), 11 * DAY_SECONDS - 1).duplicate
    anew = requested("run-2", request="other")
    assert take(connection, anew, 11 * DAY_SECONDS) == Accepted("run-2", duplicate=False)
    assert take(connection, evolve(anew, run_id="run-3"), 11 * DAY_SECONDS) == Accepted("run-2", duplicate=True)


def test_a_key_that_was_free_and_names_another_run_is_left_alone_by_the_first(connection: sqlite3.Connection) -> None:
    take(connection, requested("run-1"))
    delete_session(connection, KEY, 100)
    take(connection, requested("run-2"), 100 + DAY_SECONDS)
    finish(connection, "run-1", done("late"), [], 200 + DAY_SECONDS)
    assert take(connection, requested("run-3"), 300 + 2 * DAY_SECONDS) == Accepted("run-2", duplicate=True)


def test_keys_of_callers_are_forgotten_after_a_day_and_those_of_platforms_after_a_week(
    connection: sqlite3.Connection,
) -> None:
    take(connection, requested("run-1"), 0)
    take(connection, acceptance("run-2"), 0)
    for run_id in ("run-1", "run-2"):
        finish(connection, run_id, done("ok"), [], 0)
    prune_inbox(connection, DAY_SECONDS + 1)
    assert connection.execute("SELECT run_id FROM dedupe_keys").fetchall() == [("run-2",)]


def test_a_key_is_for_a_message_to_answer_or_for_one_to_send(connection: sqlite3.Connection) -> None:
    take(connection, requested("run-1", "a"))
    with pytest.raises(XopcError, match="was used for another message"):
        enqueue(connection, "msg_1", outbound("hi"), "a", 100)
    enqueue(connection, "msg_1", outbound("hi"), "b", 100)
    with pytest.raises(XopcError, match="was used for another message"):
        take(connection, requested("run-2", "b"))


def test_either_is_free_for_the_other_a_day_after_its_work(connection: sqlite3.Connection) -> None:
    take(connection, requested("run-1", "a"))
    finish(connection, "run-1", done("ok"), [], 100)
    enqueue(connection, "msg_1", outbound("hi"), "b", 100)
    settle(connection, "msg_1", Attempt(OutboxState.SENT), 100)
    later = 100 + DAY_SECONDS
    assert enqueue(connection, "msg_2", outbound("hi"), "a", later) == ("msg_2", False)
    assert take(connection, requested("run-2", "b"), later) == Accepted("run-2", duplicate=False)


def test_a_key_is_taken_once_and_then_names_its_run(connection: sqlite3.Connection) -> None:
    for request in (None, "hash"):
        key = f"key of {request}"
        assert take_key(connection, key, "run-1", request, 100) is None
        changes = connection.total_changes
        assert take_key(connection, key, "run-2", request, 100) == "run-1"
        assert connection.total_changes == changes


def test_a_platforms_message_under_the_key_of_a_request_is_refused(connection: sqlite3.Connection) -> None:
    take_key(connection, "key", "run-1", "hash", 100)
    with pytest.raises(XopcError, match="was used for another message"):
        take_key(connection, "key", "run-2", None, 100)
