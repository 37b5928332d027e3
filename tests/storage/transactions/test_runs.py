from __future__ import annotations

import sqlite3

import pytest
from attrs import evolve

from tests.storage.values import KEY, OTHER_KEY, acceptance, done, inbound, outbound, said, tool_result
from xopc.contracts.messages import PeerKind
from xopc.contracts.transcript import Entry, Message, Role, RunResult, RunState, Usage
from xopc.storage.base import StorageError
from xopc.storage.path.base import Acceptance, Turn, TurnEnd
from xopc.storage.path.outbox import lane_of
from xopc.storage.transactions.inbox import accept
from xopc.storage.transactions.outbox_select import select_head, select_lanes
from xopc.storage.transactions.runs import claim, finish, select_result, step
from xopc.storage.transactions.transcripts import select_messages


def take(connection: sqlite3.Connection, *items: Acceptance) -> None:
    accept(connection, items, None, "opening", 100)


def texts(connection: sqlite3.Connection) -> list[str]:
    return [entry.message.content for entry in select_messages(connection, KEY, 100, None)]


def test_the_first_claim_begins_the_run_with_the_message_of_the_user(connection: sqlite3.Connection) -> None:
    item = Acceptance(inbound("hi"), KEY, "run-1", bound=True, deliver=False, model="a/b")
    take(connection, item)
    turn = claim(connection, KEY, "boot", 200)
    entry = Entry(1, Message(Role.USER, "hi"), "run-1", 200)
    assert turn == Turn("run-1", KEY, item.inbound, deliver=False, bound=True, model="a/b", steps=(entry,))
    assert select_messages(connection, KEY, 100, None) == [entry]


def test_a_later_claim_gives_the_steps_and_stores_nothing(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1"))
    claim(connection, KEY, "boot", 200)
    step(connection, "run-1", said("", "c1"), 201)
    step(connection, "run-1", tool_result("c1"), 202)
    turn = claim(connection, KEY, "boot", 300)
    assert turn is not None
    assert list(turn.steps) == select_messages(connection, KEY, 100, None)
    assert [(entry.seq, entry.at) for entry in turn.steps] == [(1, 200), (2, 201), (3, 202)]


def test_a_message_is_not_claimed_while_another_of_its_session_has_no_end(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1"), acceptance("run-2"), acceptance("other", OTHER_KEY))
    for _ in range(2):
        turn = claim(connection, KEY, "boot", 200)
        assert turn is not None
        assert turn.run_id == "run-1"
    other = claim(connection, OTHER_KEY, "boot", 200)
    assert other is not None
    assert other.run_id == "other"
    finish(connection, "run-1", done("ok"), [], 300)
    turn = claim(connection, KEY, "boot", 300)
    assert turn is not None
    assert turn.run_id == "run-2"
    assert [entry.seq for entry in turn.steps] == [3]


def test_what_another_boot_has_claimed_keeps_the_session_busy(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1"), acceptance("run-2"))
    claim(connection, KEY, "boot-1", 200)
    assert claim(connection, KEY, "boot-2", 201) is None
    assert claim(connection, "main:cli:default:direct:nobody", "boot-2", 201) is None


@pytest.mark.parametrize(
    ("kind", "sender"),
    [(PeerKind.DM, None), (PeerKind.DIRECT, None), (PeerKind.GROUP, "Ada"), (PeerKind.CHANNEL, "Ada")],
)
def test_who_wrote_is_remembered_where_several_people_do(
    connection: sqlite3.Connection, kind: PeerKind, sender: str | None
) -> None:
    take(connection, Acceptance(inbound("hi", kind=kind), KEY, "run-1"))
    turn = claim(connection, KEY, "boot", 200)
    assert turn is not None
    assert turn.steps[0].message == Message(Role.USER, "hi", sender=sender)


def test_a_sender_without_a_name_goes_by_his_id(connection: sqlite3.Connection) -> None:
    take(connection, Acceptance(evolve(inbound("hi", kind=PeerKind.GROUP), sender_name=None), KEY, "run-1"))
    turn = claim(connection, KEY, "boot", 200)
    assert turn is not None
    assert turn.steps[0].message.sender == "4711"


def test_a_step_of_a_run_that_does_not_run_is_refused(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1"))
    for run_id in ("run-1", "unknown"):
        with pytest.raises(StorageError, match=f"Nothing was stored: the run {run_id} is not running"):
            step(connection, run_id, said("early"), 200)
    claim(connection, KEY, "boot", 200)
    finish(connection, "run-1", done("ok"), [], 300)
    with pytest.raises(StorageError):
        step(connection, "run-1", said("late"), 301)
    assert texts(connection) == ["to run-1", "ok"]


def test_a_finished_run_has_its_message_its_answers_and_its_result(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1"))
    claim(connection, KEY, "boot", 200)
    answers = (outbound("one"), outbound("two"))
    end = TurnEnd(RunState.DONE, said("one two"), answers, model="a/b", usage=Usage(5, 7), timed_out=True)
    assert finish(connection, "run-1", end, ["msg_1", "msg_2"], 300) == ["msg_1", "msg_2"]
    assert texts(connection) == ["to run-1", "one two"]
    head = select_head(connection, lane_of("telegram", "default", "4711"))
    assert head is not None
    assert (head.id, head.outbound, head.created_at) == ("msg_1", answers[0], 300)
    assert select_result(connection, "run-1") == RunResult(
        "run-1", KEY, RunState.DONE, "one two", "a/b", Usage(5, 7), None, timed_out=True
    )
    assert claim(connection, KEY, "boot", 400) is None


def test_a_run_ends_once(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1"))
    claim(connection, KEY, "boot", 200)
    finish(connection, "run-1", done("first", outbound("first")), ["msg_1"], 300)
    assert finish(connection, "run-1", done("second", outbound("second")), ["msg_2"], 301) == []
    assert finish(connection, "unknown", done("third", outbound("third")), ["msg_3"], 302) == []
    assert texts(connection) == ["to run-1", "first"]
    assert [head.lane for head in select_lanes(connection, "", 10)] == [lane_of("telegram", "default", "4711")]
    result = select_result(connection, "run-1")
    assert result is not None
    assert result.reply == "first"


def test_a_run_without_a_last_message_replies_with_what_was_said_last(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1"))
    claim(connection, KEY, "boot", 200)
    step(connection, "run-1", said("Let me see.", "c1"), 201)
    step(connection, "run-1", tool_result("c1"), 202)
    step(connection, "run-1", said("", "c2"), 203)
    assert select_result(connection, "run-1") == RunResult("run-1", KEY, RunState.RUNNING, "Let me see.")
    finish(connection, "run-1", TurnEnd(RunState.ABORTED, None, error="stopped"), [], 300)
    assert select_result(connection, "run-1") == RunResult(
        "run-1", KEY, RunState.ABORTED, "Let me see.", error="stopped"
    )
    assert texts(connection) == ["to run-1", "Let me see.", "noon", ""]


def test_a_run_can_end_before_it_began(connection: sqlite3.Connection) -> None:
    take(connection, acceptance("run-1"), acceptance("run-2"))
    finish(connection, "run-1", TurnEnd(RunState.ABORTED, None), [], 300)
    assert select_result(connection, "run-1") == RunResult("run-1", KEY, RunState.ABORTED, "")
    turn = claim(connection, KEY, "boot", 400)
    assert turn is not None
    assert turn.run_id == "run-2"
    assert texts(connection) == ["to run-2"]


def test_a_run_that_was_never_accepted_has_no_result(connection: sqlite3.Connection) -> None:
    assert select_result(connection, "unknown") is None
