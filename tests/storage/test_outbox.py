from __future__ import annotations

import sqlite3

import pytest
from attrs import evolve

from tests.storage.values import CHAT, DAY_SECONDS, OTHER_CHAT, outbound
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.messages import Outbound, OutboxRow, OutboxState
from xopc.storage import outbox
from xopc.storage.base import StorageError
from xopc.storage.outbox import (
    begin_attempt,
    delete_dead,
    enqueue,
    prune_outbox,
    record_part,
    recover_outbox,
    retry_dead,
    select_head,
    select_heads,
    select_row,
    select_state,
    settle,
)
from xopc.storage.path_outbox import Attempt, lane_of

LANE = lane_of(CHAT.channel, CHAT.account, CHAT.chat)
SENT = Attempt(OutboxState.SENT)
DEAD = Attempt(OutboxState.DEAD, "no such chat")


def put(connection: sqlite3.Connection, *ids: str, now: float = 100) -> None:
    for row_id in ids:
        enqueue(connection, row_id, outbound(row_id), None, now)


def the(connection: sqlite3.Connection, row_id: str) -> OutboxRow:
    row = select_row(connection, row_id)
    assert row is not None
    return row


def ids(rows: list[OutboxRow]) -> list[str]:
    return [row.id for row in rows]


def test_a_message_to_send_is_pending(connection: sqlite3.Connection) -> None:
    assert enqueue(connection, "msg_1", outbound("hi"), None, 100) == ("msg_1", False)
    assert the(connection, "msg_1") == OutboxRow("msg_1", outbound("hi"), OutboxState.PENDING, 100)
    assert select_row(connection, "msg_2") is None


def test_a_key_that_is_known_for_the_same_message_gives_its_row(connection: sqlite3.Connection) -> None:
    enqueue(connection, "msg_1", outbound("hi"), "key", 100)
    settle(connection, "msg_1", SENT, 200)
    assert enqueue(connection, "msg_2", outbound("hi"), "key", 200 + DAY_SECONDS - 1) == ("msg_1", True)
    assert select_heads(connection) == []


@pytest.mark.parametrize("other", [outbound("ho"), outbound("hi", OTHER_CHAT), evolve(outbound("hi"), silent=True)])
def test_a_key_that_was_used_for_another_message_is_a_conflict(connection: sqlite3.Connection, other: Outbound) -> None:
    enqueue(connection, "msg_1", outbound("hi"), "key", 100)
    with pytest.raises(XopcError, match='The idempotency key "key" was used for another message') as raised:
        enqueue(connection, "msg_2", other, "key", 101)
    assert raised.value.failure is Failure.CONFLICT
    assert select_row(connection, "msg_2") is None


def test_a_key_is_free_a_day_after_its_message_was_sent_or_given_up_and_not_before(
    connection: sqlite3.Connection,
) -> None:
    enqueue(connection, "msg_1", outbound("hi"), "key", 100)
    assert enqueue(connection, "msg_2", outbound("hi"), "key", 100 + 2 * DAY_SECONDS) == ("msg_1", True)
    settle(connection, "msg_1", Attempt(OutboxState.DEAD), 200)
    later = 200 + DAY_SECONDS
    assert enqueue(connection, "msg_2", outbound("ho"), "key", later) == ("msg_2", False)
    assert enqueue(connection, "msg_3", outbound("ho"), "key", later) == ("msg_2", True)
    assert the(connection, "msg_1").outbound.text == "hi"


def test_a_message_with_half_a_surrogate_pair_is_the_same_when_it_comes_again(connection: sqlite3.Connection) -> None:
    enqueue(connection, "msg_1", outbound("hi \ud83d"), "key", 100)
    assert enqueue(connection, "msg_2", outbound("hi \ud83d"), "key", 101) == ("msg_1", True)


def test_a_lane_keeps_the_order_in_which_messages_were_stored(connection: sqlite3.Connection) -> None:
    order = ["msg_9", "msg_1", "msg_5"]
    put(connection, *order)  # not the order of the ids, as when a clock was set back
    enqueue(connection, "msg_0", outbound("other", OTHER_CHAT), None, 100)
    for row_id in order:
        head = select_head(connection, LANE)
        assert head is not None
        assert head.id == row_id
        assert ids(select_heads(connection)) == [row_id, "msg_0"]
        begin_attempt(connection, row_id)
        settle(connection, row_id, SENT, 200)
    assert select_head(connection, LANE) is None
    assert ids(select_heads(connection)) == ["msg_0"]


def test_a_message_in_flight_or_waiting_for_its_next_attempt_stays_the_head(connection: sqlite3.Connection) -> None:
    put(connection, "msg_1", "msg_2")
    begin_attempt(connection, "msg_1")
    head = select_head(connection, LANE)
    assert head is not None
    assert (head.id, head.state, head.attempts) == ("msg_1", OutboxState.INFLIGHT, 1)
    settle(connection, "msg_1", Attempt(OutboxState.PENDING, "flood", next_attempt_at=160.5), 130)
    head = select_head(connection, LANE)
    assert head is not None
    assert (head.id, head.state, head.last_error, head.next_attempt_at) == (
        "msg_1",
        OutboxState.PENDING,
        "flood",
        160.5,
    )


def test_parts_that_were_sent_are_remembered(connection: sqlite3.Connection) -> None:
    put(connection, "msg_1")
    begin_attempt(connection, "msg_1")
    record_part(connection, "msg_1", 1, "17")
    record_part(connection, "msg_1", 2, None)
    record_part(connection, "msg_1", 3, "19")
    row = the(connection, "msg_1")
    assert (row.parts_sent, row.platform_ids) == (3, ("17", "19"))
    record_part(connection, "gone", 1, "17")
    assert select_row(connection, "gone") is None


def test_what_was_in_flight_is_pending_again_and_marked(connection: sqlite3.Connection) -> None:
    put(connection, "msg_1", "msg_2")
    begin_attempt(connection, "msg_1")
    assert recover_outbox(connection) == 1
    row = the(connection, "msg_1")
    assert (row.state, row.attempts, row.possible_duplicate) == (OutboxState.PENDING, 1, True)
    assert not the(connection, "msg_2").possible_duplicate
    assert recover_outbox(connection) == 0


@pytest.mark.parametrize("attempt", [SENT, DEAD])
def test_what_is_settled_is_not_attempted_or_settled_again(connection: sqlite3.Connection, attempt: Attempt) -> None:
    put(connection, "msg_1")
    begin_attempt(connection, "msg_1")
    settle(connection, "msg_1", attempt, 200)
    settled = the(connection, "msg_1")
    with pytest.raises(StorageError, match="no unsent message msg_1"):
        begin_attempt(connection, "msg_1")
    settle(connection, "msg_1", Attempt(OutboxState.PENDING, "late"), 201)
    assert recover_outbox(connection) == 0
    assert the(connection, "msg_1") == settled


def test_an_attempt_at_an_unknown_message_is_refused(connection: sqlite3.Connection) -> None:
    with pytest.raises(StorageError):
        begin_attempt(connection, "unknown")


def test_an_error_of_a_platform_is_stored_whatever_it_holds(connection: sqlite3.Connection) -> None:
    put(connection, "msg_1")
    settle(connection, "msg_1", Attempt(OutboxState.DEAD, "bad \udcff"), 200)
    assert the(connection, "msg_1").last_error == "bad \N{REPLACEMENT CHARACTER}"


def test_a_message_that_may_have_been_sent_stays_a_possible_duplicate(connection: sqlite3.Connection) -> None:
    put(connection, "msg_1")
    begin_attempt(connection, "msg_1")
    settle(connection, "msg_1", Attempt(OutboxState.PENDING, "broken", possible_duplicate=True), 200)
    settle(connection, "msg_1", Attempt(OutboxState.PENDING, "busy"), 201)
    assert the(connection, "msg_1").possible_duplicate


def test_messages_of_a_state_come_newest_first_and_page_by_page(connection: sqlite3.Connection) -> None:
    put(connection, "msg_1", "msg_2", "msg_3", "msg_4")
    settle(connection, "msg_2", DEAD, 200)
    assert ids(select_state(connection, OutboxState.PENDING, 2, 0)) == ["msg_4", "msg_3"]
    assert ids(select_state(connection, OutboxState.PENDING, 2, 2)) == ["msg_1"]
    assert ids(select_state(connection, OutboxState.DEAD, 10, 0)) == ["msg_2"]
    assert select_state(connection, OutboxState.SENT, 10, 0) == []


def test_a_dead_message_can_be_retried_in_its_old_place(connection: sqlite3.Connection) -> None:
    put(connection, "msg_1", "msg_2")
    begin_attempt(connection, "msg_1")
    record_part(connection, "msg_1", 1, "17")
    settle(connection, "msg_1", DEAD, 200)
    assert ids(select_heads(connection)) == ["msg_2"]
    assert retry_dead(connection, "msg_1")
    head = select_head(connection, LANE)
    assert head == OutboxRow(
        "msg_1",
        outbound("msg_1"),
        OutboxState.PENDING,
        100,
        parts_sent=1,
        last_error="no such chat",
        platform_ids=("17",),
    )


def test_only_a_dead_message_can_be_retried_or_deleted(connection: sqlite3.Connection) -> None:
    put(connection, "msg_1", "msg_2")
    settle(connection, "msg_2", SENT, 200)
    for row_id in ("msg_1", "msg_2", "unknown"):
        assert not retry_dead(connection, row_id)
        assert not delete_dead(connection, row_id)
    assert the(connection, "msg_2").state is OutboxState.SENT


def test_a_deleted_dead_message_is_gone_with_its_key(connection: sqlite3.Connection) -> None:
    enqueue(connection, "msg_1", outbound("hi"), "key", 100)
    settle(connection, "msg_1", DEAD, 200)
    assert delete_dead(connection, "msg_1")
    assert select_row(connection, "msg_1") is None
    assert enqueue(connection, "msg_2", outbound("hi"), "key", 300) == ("msg_2", False)


def test_sent_messages_are_kept_for_a_day_and_dead_ones_for_thirty(connection: sqlite3.Connection) -> None:
    put(connection, "sent", "dead", "pending", now=0)
    settle(connection, "sent", SENT, 0)
    settle(connection, "dead", DEAD, 0)
    assert left_after(connection, DAY_SECONDS) == {"sent", "dead", "pending"}
    assert left_after(connection, DAY_SECONDS + 1) == {"dead", "pending"}
    assert left_after(connection, 30 * DAY_SECONDS) == {"dead", "pending"}
    assert left_after(connection, 30 * DAY_SECONDS + 1) == {"pending"}


def test_the_newest_dead_messages_are_kept(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MAX_DEAD", 3)
    put(connection, *(f"msg_{n}" for n in range(6)), now=0)
    for n in (4, 0, 2):
        settle(connection, f"msg_{n}", DEAD, n)
    assert len(left_after(connection, 10)) == 6
    for n in (1, 5):
        settle(connection, f"msg_{n}", DEAD, n)
    assert left_after(connection, 10) == {"msg_2", "msg_3", "msg_4", "msg_5"}


def left_after(connection: sqlite3.Connection, now: float) -> set[str]:
    prune_outbox(connection, now)
    return {row_id for (row_id,) in connection.execute("SELECT id FROM outbox")}
