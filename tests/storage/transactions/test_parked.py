from __future__ import annotations

import sqlite3

import pytest

from tests.storage.values import DAY_SECONDS, KEY, OTHER_KEY, acceptance, requested, said
from xopc.contracts.messages import InboxCounts, InboxRow, InboxState
from xopc.contracts.transcript import RunState
from xopc.storage.path.base import Acceptance, Accepted, FailedAttempt, TurnEnd
from xopc.storage.path.inbox import InboxPlace
from xopc.storage.transactions import inbox as module
from xopc.storage.transactions.inbox import accept, prune_inbox, recover, withdraw
from xopc.storage.transactions.parked import delete_parked, retry_parked, select_counts, select_inbox
from xopc.storage.transactions.runs import claim, fail_attempt, finish, select_result, step

GIVEN_UP = TurnEnd(RunState.FAILED, None, error="Given up.", parked=True)


def take(connection: sqlite3.Connection, *items: Acceptance) -> list[Accepted]:
    return accept(connection, items, None, "now", 100)


def listed(connection: sqlite3.Connection, state: InboxState) -> list[str]:
    return [row.run_id for row in select_inbox(connection, state, 10)]


def park(connection: sqlite3.Connection, *run_ids: str, now: float = 300) -> None:
    for run_id in run_ids:
        finish(connection, run_id, GIVEN_UP, [], now)


def claimed(connection: sqlite3.Connection, session_key: str = KEY) -> str | None:
    turn = claim(connection, session_key, "boot", 200)
    return turn and turn.run_id


def test_messages_without_an_answer_are_listed_by_their_state_newest_first(connection: sqlite3.Connection) -> None:
    take(connection, *map(acceptance, ("run-1", "run-2", "run-3")), acceptance("other", OTHER_KEY))
    claimed(connection, OTHER_KEY)
    park(connection, "run-1")
    assert listed(connection, InboxState.WAITING) == ["run-3", "run-2"]
    assert listed(connection, InboxState.RUNNING) == ["other"]
    assert select_inbox(connection, InboxState.PARKED, 10) == [
        InboxRow("run-1", KEY, acceptance("run-1").inbound, InboxState.PARKED, True, 100, 0, None, parked_at=300)
    ]
    assert select_counts(connection) == InboxCounts(waiting=2, running=1, parked=1)
    park(connection, "run-2", "run-3")


def test_a_list_goes_on_behind_the_place_of_a_message_whatever_comes_and_goes(connection: sqlite3.Connection) -> None:
    names = [f"run-{number}" for number in range(5)]
    take(connection, *map(acceptance, names))
    last = select_inbox(connection, InboxState.WAITING, 2)[-1]
    assert last.run_id == "run-3"
    take(connection, acceptance("newer"))
    behind = InboxPlace(0, last.seq)
    assert [row.run_id for row in select_inbox(connection, InboxState.WAITING, 2, behind)] == ["run-2", "run-1"]
    park(connection, *names)
    last = select_inbox(connection, InboxState.PARKED, 2)[-1]
    delete_parked(connection, last.run_id)
    behind = InboxPlace(last.parked_at or 0, last.seq)
    rest = [row.run_id for row in select_inbox(connection, InboxState.PARKED, 9, behind)]
    assert (last.run_id, rest) == ("run-3", ["run-2", "run-1", "run-0"])


def test_a_failed_attempt_is_counted_with_its_error_and_the_message_waits_again(
    connection: sqlite3.Connection,
) -> None:
    take(connection, acceptance("run-1"), acceptance("run-2"))
    claimed(connection)
    assert fail_attempt(connection, KEY, "run-1", "It broke.") == FailedAttempt("run-1", 1)
    assert fail_attempt(connection, KEY, None, "It broke \ud83d.") == FailedAttempt("run-1", 2)
    row = select_inbox(connection, InboxState.WAITING, 10)[1]
    assert (row.run_id, row.attempts, row.last_error) == ("run-1", 2, "It broke \ufffd.")
    turn = claim(connection, KEY, "boot", 200)
    assert turn is not None
    assert (turn.attempts, turn.last_error) == (2, "It broke \ufffd.")


def test_no_other_message_is_blamed_for_one_that_has_ended(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1"), acceptance("run-2"))
    park(connection, "run-1")
    assert fail_attempt(connection, KEY, "run-1", "It broke.") is None
    assert fail_attempt(connection, OTHER_KEY, None, "It broke.") is None


def test_only_what_a_dead_process_had_claimed_has_failed(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1"), acceptance("run-2"))
    claimed(connection)
    recover(connection, "boot-2", "later", 300)
    rows = {row.run_id: row for row in select_inbox(connection, InboxState.WAITING, 10)}
    assert {run_id: row.attempts for run_id, row in rows.items()} == {"run-1": 1, "run-2": 0}
    assert rows["run-1"].last_error == "The gateway's process died in the middle of it."
    recover(connection, "boot-3", "later", 300)
    assert select_inbox(connection, InboxState.WAITING, 10)[1].attempts == 1


def test_a_parked_message_has_ended_for_its_session_and_for_who_asks(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1"), acceptance("run-2"))
    claimed(connection)
    park(connection, "run-1")
    result = select_result(connection, "run-1")
    assert result is not None
    assert (result.state, result.error) == (RunState.FAILED, "Given up.")
    assert claimed(connection) == "run-2"
    assert take(connection, acceptance("run-1")) == [Accepted("run-1", duplicate=True)]


def test_a_retried_message_begins_anew_behind_all_others(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1", bound=True), acceptance("run-2"), acceptance("run-3"))
    claimed(connection)
    step(connection, "run-1", said("Let me see."), 250)
    fail_attempt(connection, KEY, "run-1", "It broke.")
    park(connection, "run-1")
    assert retry_parked(connection, "run-1", "now") == KEY
    assert listed(connection, InboxState.WAITING) == ["run-1", "run-3", "run-2"]
    for run_id in ("run-2", "run-3"):
        assert claimed(connection) == run_id
        finish(connection, run_id, TurnEnd(RunState.DONE, None), [], 400)
    assert not withdraw(connection, "run-1")
    turn = claim(connection, KEY, "boot", 500)
    assert turn is not None
    assert (turn.run_id, turn.attempts, turn.last_error, turn.bound) == ("run-1", 0, None, False)
    assert [(entry.seq, entry.message.content) for entry in turn.steps] == [(5, "to run-1")]


def test_what_is_retried_keeps_its_dedupe_key_until_it_ends_anew(connection: sqlite3.Connection) -> None:
    take(connection, requested("run-1"))
    park(connection, "run-1", now=300)
    retry_parked(connection, "run-1", "now")
    later = 300 + 2 * DAY_SECONDS
    assert accept(connection, [requested("run-2")], None, "now", later) == [Accepted("run-1", duplicate=True)]


def test_only_parked_messages_are_decided_about(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("waiting"), acceptance("done", OTHER_KEY))
    finish(connection, "done", TurnEnd(RunState.DONE, None), [], 300)
    for run_id in ("waiting", "done", "unknown"):
        assert retry_parked(connection, run_id, "now") is None
        assert not delete_parked(connection, run_id)


def test_a_deleted_message_does_not_come_back(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1"))
    park(connection, "run-1")
    assert delete_parked(connection, "run-1")
    assert select_result(connection, "run-1") is None
    assert select_counts(connection) == InboxCounts()
    assert take(connection, acceptance("run-1")) == [Accepted("run-1", duplicate=True)]


def test_a_message_that_cannot_be_read_is_listed(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1"))
    connection.execute("UPDATE inbox SET inbound = '{}'")
    (row,) = select_inbox(connection, InboxState.WAITING, 10)
    assert (row.run_id, row.inbound) == ("run-1", None)


def test_parked_messages_are_kept_for_a_month_and_up_to_a_number(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_ids = [f"run-{number}" for number in range(5)]
    take(connection, *map(acceptance, run_ids))
    for number, run_id in enumerate(run_ids):
        park(connection, run_id, now=number)
    prune_inbox(connection, 30 * DAY_SECONDS + 1)
    assert listed(connection, InboxState.PARKED) == run_ids[:0:-1]
    monkeypatch.setattr(module, "MAX_PARKED", 2)
    prune_inbox(connection, 30 * DAY_SECONDS + 1)
    assert listed(connection, InboxState.PARKED) == ["run-4", "run-3"]
