from __future__ import annotations

import sqlite3

import pytest
from attrs import evolve

from tests.storage.values import CHAT, DAY_SECONDS, OTHER_CHAT, outbound
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.messages import ErrorClass, Outbound, OutboxRow, OutboxState
from xopc.storage.path.outbox import Attempt, Pause, Removal, Selection, lane_of
from xopc.storage.transactions import outbox
from xopc.storage.transactions.outbox import (
    begin_attempt,
    delete_all_dead,
    enqueue,
    prune_outbox,
    record_part,
    recover_outbox,
    remove,
    retry_all_dead,
    retry_dead,
    settle,
)
from xopc.storage.transactions.outbox_select import select_head, select_lanes, select_pauses, select_row

LANE = lane_of(CHAT.channel, CHAT.account, CHAT.chat)
SENT = Attempt(OutboxState.SENT)
DEAD = Attempt(OutboxState.DEAD, "no such chat", ErrorClass.PERMANENT)
OTHER_LANE = lane_of(OTHER_CHAT.channel, OTHER_CHAT.account, OTHER_CHAT.chat)


def put(connection: sqlite3.Connection, *ids: str, now: float = 100) -> None:
    for row_id in ids:
        enqueue(connection, row_id, outbound(row_id), None, now)


def the(connection: sqlite3.Connection, row_id: str) -> OutboxRow:
    row = select_row(connection, row_id)
    assert row is not None
    return row


def lanes(connection: sqlite3.Connection) -> list[str]:
    return [head.lane for head in select_lanes(connection, "", 10)]


def test_a_message_to_send_is_pending(connection: sqlite3.Connection) -> None:
    assert enqueue(connection, "msg_1", outbound("hi"), None, 100) == ("msg_1", False)
    assert the(connection, "msg_1") == OutboxRow("msg_1", outbound("hi"), OutboxState.PENDING, 100)
    assert select_row(connection, "msg_2") is None


def test_a_key_that_is_known_for_the_same_message_gives_its_row(connection: sqlite3.Connection) -> None:
    enqueue(connection, "msg_1", outbound("hi"), "key", 100)
    settle(connection, "msg_1", SENT, 200)
    assert enqueue(connection, "msg_2", outbound("hi"), "key", 200 + DAY_SECONDS - 1) == ("msg_1", True)
    assert lanes(connection) == []


@pytest.mark.parametrize(
    "other",
    [
        outbound("ho"),
        outbound("hi", OTHER_CHAT),
        evolve(outbound("hi"), silent=True),
        evolve(outbound("hi"), ttl_seconds=60),
    ],
)
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
        assert lanes(connection) == [OTHER_LANE, LANE]
        begin_attempt(connection, row_id)
        settle(connection, row_id, SENT, 200)
    assert select_head(connection, LANE) is None
    assert lanes(connection) == [OTHER_LANE]


def test_a_message_in_flight_or_waiting_for_its_next_attempt_stays_the_head(connection: sqlite3.Connection) -> None:
    put(connection, "msg_1", "msg_2")
    begin_attempt(connection, "msg_1")
    head = select_head(connection, LANE)
    assert head is not None
    assert (head.id, head.state, head.attempts) == ("msg_1", OutboxState.INFLIGHT, 1)
    attempt = Attempt(OutboxState.PENDING, "flood", ErrorClass.TRANSIENT, next_attempt_at=160.5, pause_seconds=30.5)
    assert settle(connection, "msg_1", attempt, 130)
    head = select_head(connection, LANE)
    assert head == OutboxRow(
        "msg_1",
        outbound("msg_1"),
        OutboxState.PENDING,
        100,
        attempts=1,
        next_attempt_at=160.5,
        last_error="flood",
        error_class=ErrorClass.TRANSIENT,
        pause_seconds=30.5,
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
    assert (row.state, row.attempts, row.possible_duplicate, row.unclear) == (OutboxState.PENDING, 1, True, 1)
    assert not the(connection, "msg_2").possible_duplicate
    assert recover_outbox(connection) == 0


def test_each_process_that_ended_in_an_attempt_is_counted(connection: sqlite3.Connection) -> None:
    put(connection, "msg_1")
    for count in (1, 2, 3):
        begin_attempt(connection, "msg_1")
        recover_outbox(connection)
        assert the(connection, "msg_1").unclear == count


def test_what_was_in_flight_on_a_channel_that_shows_nothing_twice_is_not_marked(
    connection: sqlite3.Connection,
) -> None:
    enqueue(connection, "msg_1", outbound("hi"), None, 100)
    enqueue(connection, "msg_2", outbound("hi", evolve(CHAT, channel="telegra")), None, 100)
    for row_id in ("msg_1", "msg_2"):
        begin_attempt(connection, row_id)
    assert recover_outbox(connection, [CHAT.channel, "webchat"]) == 1
    marks = [(row.possible_duplicate, row.unclear) for row in (the(connection, "msg_1"), the(connection, "msg_2"))]
    assert marks == [(False, 1), (True, 1)]


def test_an_attempt_that_was_cut_is_not_counted(connection: sqlite3.Connection) -> None:
    put(connection, "msg_1")
    begin_attempt(connection, "msg_1")
    settle(connection, "msg_1", Attempt(OutboxState.PENDING, was_cut=True), 101)
    assert the(connection, "msg_1").attempts == 0


@pytest.mark.parametrize("attempt", [SENT, DEAD])
def test_what_is_settled_is_not_attempted_or_settled_again(connection: sqlite3.Connection, attempt: Attempt) -> None:
    put(connection, "msg_1")
    begin_attempt(connection, "msg_1")
    settle(connection, "msg_1", attempt, 200)
    settled = the(connection, "msg_1")
    assert not begin_attempt(connection, "msg_1")
    assert not settle(connection, "msg_1", Attempt(OutboxState.PENDING, "late"), 201)
    assert recover_outbox(connection) == 0
    assert the(connection, "msg_1") == settled


def test_an_attempt_at_an_unknown_message_does_not_begin(connection: sqlite3.Connection) -> None:
    assert not begin_attempt(connection, "unknown")
    assert not settle(connection, "unknown", SENT, 1)


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


def test_unclear_attempts_are_counted(connection: sqlite3.Connection) -> None:
    put(connection, "msg_1")
    settle(connection, "msg_1", Attempt(OutboxState.PENDING, "broken", is_unclear=True), 200)
    settle(connection, "msg_1", Attempt(OutboxState.PENDING, "busy"), 201)
    settle(connection, "msg_1", Attempt(OutboxState.DEAD, "broken", ErrorClass.UNKNOWN, is_unclear=True), 202)
    assert the(connection, "msg_1").unclear == 2


def test_the_pause_of_an_account_is_stored_with_the_attempt_and_replaced_by_the_next(
    connection: sqlite3.Connection,
) -> None:
    put(connection, "msg_1")
    for seconds in (30, 300):
        pause = Pause("telegram", "default", 100 + seconds, seconds, "flood")
        settle(connection, "msg_1", Attempt(OutboxState.PENDING, "flood", account_pause=pause), 100)
        assert select_pauses(connection) == [pause]
    prune_outbox(connection, 400)
    assert select_pauses(connection) == [pause]
    prune_outbox(connection, 401)
    assert select_pauses(connection) == []


def test_a_dead_message_can_be_retried_in_its_old_place(connection: sqlite3.Connection) -> None:
    put(connection, "msg_1", "msg_2")
    begin_attempt(connection, "msg_1")
    record_part(connection, "msg_1", 1, "17")
    settle(connection, "msg_1", DEAD, 200)
    recover_outbox(connection)
    assert retry_dead(connection, "msg_1", 300)
    head = select_head(connection, LANE)
    assert head == OutboxRow(
        "msg_1",
        outbound("msg_1"),
        OutboxState.PENDING,
        100,
        parts_sent=1,
        last_error="no such chat",
        platform_ids=("17",),
        error_class=ErrorClass.PERMANENT,
        retried_at=300,
    )
    assert head is not None
    assert (head.queued_at, the(connection, "msg_2").queued_at) == (300, 100)


def test_only_a_dead_message_can_be_retried(connection: sqlite3.Connection) -> None:
    put(connection, "msg_1", "msg_2")
    settle(connection, "msg_2", SENT, 200)
    for row_id in ("msg_1", "msg_2", "unknown"):
        assert not retry_dead(connection, row_id, 300)
    assert the(connection, "msg_2").state is OutboxState.SENT


def test_a_message_that_waits_is_cancelled_and_its_lane_goes_on_without_it(connection: sqlite3.Connection) -> None:
    enqueue(connection, "msg_1", outbound("hi"), "key", 100)
    put(connection, "msg_2")
    assert remove(connection, "msg_1", 200) is Removal.CANCELLED
    assert remove(connection, "msg_1", 300) is Removal.CANCELLED
    row = the(connection, "msg_1")
    assert (row.state, row.settled_at) == (OutboxState.CANCELLED, 200)
    head = select_head(connection, LANE)
    assert head is not None
    assert head.id == "msg_2"
    assert not begin_attempt(connection, "msg_1")
    assert enqueue(connection, "msg_3", outbound("hi"), "key", 300) == ("msg_1", True)


def test_a_message_in_flight_or_sent_cannot_be_taken_back(connection: sqlite3.Connection) -> None:
    put(connection, "msg_1")
    begin_attempt(connection, "msg_1")
    assert remove(connection, "msg_1", 200) is Removal.TOO_LATE
    settle(connection, "msg_1", SENT, 200)
    assert remove(connection, "msg_1", 300) is Removal.TOO_LATE
    assert remove(connection, "unknown", 300) is None
    assert the(connection, "msg_1").state is OutboxState.SENT


def test_a_dead_message_is_forgotten_with_its_key(connection: sqlite3.Connection) -> None:
    enqueue(connection, "msg_1", outbound("hi"), "key", 100)
    settle(connection, "msg_1", DEAD, 200)
    assert remove(connection, "msg_1", 300) is Removal.FORGOTTEN
    assert select_row(connection, "msg_1") is None
    assert enqueue(connection, "msg_2", outbound("hi"), "key", 300) == ("msg_2", False)


def dead_letters(connection: sqlite3.Connection) -> None:
    """Of three chats, one of them of another account; and a message that is not dead."""
    for row_id, address in (
        ("msg_1", CHAT),
        ("msg_2", OTHER_CHAT),
        ("msg_3", evolve(CHAT, account="work")),
        ("msg_4", CHAT),
        ("msg_5", CHAT),
    ):
        enqueue(connection, row_id, outbound(row_id, address), None, 100)
    for row_id in ("msg_1", "msg_2", "msg_3"):
        settle(connection, row_id, DEAD, 200)
    settle(connection, "msg_4", Attempt(OutboxState.DEAD, "late", ErrorClass.EXPIRED), 200)


SELECTIONS: list[tuple[Selection, set[str]]] = [
    (Selection(), {"msg_1", "msg_2", "msg_3", "msg_4"}),
    (Selection(CHAT.channel), {"msg_1", "msg_2", "msg_3", "msg_4"}),
    (Selection("webchat"), set()),
    (Selection(account="work"), {"msg_3"}),
    (Selection(chat=CHAT.chat), {"msg_1", "msg_3", "msg_4"}),
    (Selection(CHAT.channel, CHAT.account, CHAT.chat), {"msg_1", "msg_4"}),
    (Selection(error_class=ErrorClass.EXPIRED), {"msg_4"}),
]


@pytest.mark.parametrize(("selection", "expected"), SELECTIONS)
def test_dead_messages_of_a_selection_can_be_retried(
    connection: sqlite3.Connection, selection: Selection, expected: set[str]
) -> None:
    dead_letters(connection)
    count, woken = retry_all_dead(connection, selection, 300)
    revived = {row for (row,) in connection.execute("SELECT id FROM outbox WHERE retried_at = 300")}
    assert (count, revived) == (len(expected), expected)
    assert woken <= set(lanes(connection))
    assert bool(woken) == bool(expected)


@pytest.mark.parametrize(("selection", "expected"), SELECTIONS)
def test_dead_messages_of_a_selection_can_be_forgotten(
    connection: sqlite3.Connection, selection: Selection, expected: set[str]
) -> None:
    dead_letters(connection)
    assert delete_all_dead(connection, selection) == len(expected)
    left = {row for (row,) in connection.execute("SELECT id FROM outbox")}
    assert left == {"msg_1", "msg_2", "msg_3", "msg_4", "msg_5"} - expected


def test_settled_messages_are_kept_for_a_day_and_dead_ones_for_thirty(connection: sqlite3.Connection) -> None:
    put(connection, "sent", "cancelled", "dead", "pending", now=0)
    remove(connection, "cancelled", 0)
    settle(connection, "sent", SENT, 0)
    settle(connection, "dead", DEAD, 0)
    assert left_after(connection, DAY_SECONDS) == {"sent", "cancelled", "dead", "pending"}
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
