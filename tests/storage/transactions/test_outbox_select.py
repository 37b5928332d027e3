from __future__ import annotations

import sqlite3

import pytest
from attrs import evolve

from tests.storage.values import CHAT, OTHER_CHAT, outbound
from xopc.contracts.messages import Address, ErrorClass, OutboxState
from xopc.storage.path.outbox import Attempt, LaneHead, OutboxPage, OutboxQuery, Selection, lane_of
from xopc.storage.transactions import outbox_select
from xopc.storage.transactions.outbox import begin_attempt, enqueue, give_up, retry_dead, settle
from xopc.storage.transactions.outbox_select import select_expired, select_lanes, select_next_expiry, select_page

PENDING, DEAD, SENT = OutboxState.PENDING, OutboxState.DEAD, OutboxState.SENT
BLOCKED = Attempt(DEAD, "blocked", ErrorClass.PERMANENT)


def put(connection: sqlite3.Connection, *ids: str, address: Address = CHAT) -> None:
    for row_id in ids:
        enqueue(connection, row_id, outbound(row_id, address), None, 100)


def ids(page: OutboxPage) -> list[str]:
    return [row.id for row in page.rows]


def pages(connection: sqlite3.Connection, query: OutboxQuery) -> list[list[str]]:
    """All pages, as somebody who goes on reads them."""
    found = [select_page(connection, query)]
    while (before := found[-1].next_before) is not None:
        found.append(select_page(connection, evolve(query, before=before)))
    return [ids(page) for page in found]


def test_lanes_come_in_the_order_of_their_names_with_when_they_are_due(connection: sqlite3.Connection) -> None:
    for chat in ("3", "1", "2"):
        put(connection, f"msg_{chat}", f"msg_{chat}b", address=evolve(CHAT, chat=chat))
    settle(connection, "msg_1", Attempt(PENDING, "flood", next_attempt_at=160, pause_seconds=60), 100)
    settle(connection, "msg_2", Attempt(SENT), 100)
    enqueue(connection, "msg_4", evolve(outbound("hi", evolve(CHAT, chat="4")), ttl_seconds=7), None, 104)
    names = [lane_of(CHAT.channel, CHAT.account, chat) for chat in "1234"]
    assert select_lanes(connection, "", 2) == [
        LaneHead(names[0], 160, 60, 100, None),
        LaneHead(names[1], 0, 0, 100, None),
    ]
    assert select_lanes(connection, names[1], 9) == [
        LaneHead(names[2], 0, 0, 100, None),
        LaneHead(names[3], 0, 0, 104, 7),
    ]
    assert select_lanes(connection, names[3], 9) == []


def test_those_whose_own_time_is_over_are_found_wherever_they_wait(connection: sqlite3.Connection) -> None:
    put(connection, "msg_0")
    assert select_next_expiry(connection) is None
    for number, ttl in enumerate([50, 10, 30, 20, 40], 1):
        enqueue(connection, f"msg_{number}", evolve(outbound(f"{number}"), ttl_seconds=ttl), None, 100)
    settle(connection, "msg_3", BLOCKED, 105)
    begin_attempt(connection, "msg_4")
    assert select_next_expiry(connection) == 110
    assert [row.id for row in select_expired(connection, 140, 9)] == ["msg_2", "msg_5"]
    assert [row.id for row in select_expired(connection, 140, 1)] == ["msg_2"]
    late = Attempt(DEAD, "late", ErrorClass.EXPIRED)
    assert [give_up(connection, f"msg_{number}", late, 141) for number in (2, 3, 4)] == [True, False, False]
    retry_dead(connection, "msg_2", 200)
    assert [row.id for row in select_expired(connection, 209, 9)] == ["msg_5", "msg_1"]


def test_messages_come_newest_first_and_page_by_page(connection: sqlite3.Connection) -> None:
    put(connection, "msg_1", "msg_2", "msg_3", "msg_4", "msg_5")
    settle(connection, "msg_2", BLOCKED, 200)
    assert pages(connection, OutboxQuery((PENDING,), 2)) == [["msg_5", "msg_4"], ["msg_3", "msg_1"]]
    assert pages(connection, OutboxQuery((DEAD,), 10)) == [["msg_2"]]
    assert pages(connection, OutboxQuery((SENT,), 10)) == [[]]


def test_messages_of_several_states_come_in_one_order(connection: sqlite3.Connection) -> None:
    put(connection, "msg_1", "msg_2", "msg_3", "msg_4")
    settle(connection, "msg_2", BLOCKED, 200)
    settle(connection, "msg_3", Attempt(SENT), 200)
    assert pages(connection, OutboxQuery((DEAD, PENDING, DEAD), 2)) == [["msg_4", "msg_2"], ["msg_1"]]


def test_a_page_is_the_same_when_something_came_or_went_before_it(connection: sqlite3.Connection) -> None:
    put(connection, "msg_1", "msg_2", "msg_3")
    first = select_page(connection, OutboxQuery((PENDING,), 1))
    put(connection, "msg_4")
    settle(connection, "msg_3", Attempt(SENT), 200)
    assert ids(first) == ["msg_3"]
    assert ids(select_page(connection, OutboxQuery((PENDING,), 1, first.next_before))) == ["msg_2"]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(channel="telegram"), ["msg_4", "msg_2", "msg_1"]),
        (Selection(channel="tele"), []),
        (Selection(account="work"), ["msg_3", "msg_2"]),
        (Selection(chat="4711"), ["msg_2", "msg_1"]),
        (Selection("telegram", "default", "4711"), ["msg_1"]),
        (Selection(chat="a\x1f4711"), ["msg_3"]),
        (Selection(error_class=ErrorClass.TRANSIENT), ["msg_4"]),
    ],
)
def test_a_selection_is_made_by_each_part_of_the_address(
    connection: sqlite3.Connection, selection: Selection, expected: list[str]
) -> None:
    put(connection, "msg_1")
    put(connection, "msg_2", address=Address("telegram", "work", "4711"))
    put(connection, "msg_3", address=Address("webchat", "work", "a\x1f4711"))
    put(connection, "msg_4", address=OTHER_CHAT)
    settle(connection, "msg_4", Attempt(PENDING, "busy", ErrorClass.TRANSIENT), 200)
    assert pages(connection, OutboxQuery((PENDING,), 10, selection=selection)) == [expected]


def test_a_selection_that_is_rare_takes_several_pages_and_misses_nothing(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_select, "MAX_LOOKED_AT", 2)
    rare = evolve(CHAT, chat="rare")
    for number in range(12):
        put(connection, f"msg_{number}", address=rare if number in (0, 5, 6, 11) else CHAT)
        if number % 2:
            settle(connection, f"msg_{number}", BLOCKED, 200)
    query = OutboxQuery((PENDING, DEAD), 9, selection=Selection(chat="rare"))
    found = pages(connection, query)
    assert [row_id for page in found for row_id in page] == ["msg_11", "msg_6", "msg_5", "msg_0"]
    assert len(found) > 2
