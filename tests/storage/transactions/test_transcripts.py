from __future__ import annotations

import sqlite3

import pytest

from tests.storage.values import KEY, OTHER_KEY, said, tool_result
from xopc.contracts.transcript import Entry, Message, Role, Usage
from xopc.storage.transactions.sessions import ensure_session, reset_session, select_session
from xopc.storage.transactions.transcripts import (
    append_message,
    estimated_tokens,
    select_history,
    select_messages,
    select_steps,
)


def append(connection: sqlite3.Connection, *messages: Message, run_id: str | None = "run-1") -> list[Entry]:
    session_id = ensure_session(connection, KEY, "4711", 100)
    return [append_message(connection, session_id, run_id, message, 200) for message in messages]


def user(text: str) -> Message:
    return Message(Role.USER, text)


def texts(entries: list[Entry]) -> list[str]:
    return [entry.message.content for entry in entries]


def test_a_message_comes_back_with_all_its_fields(connection: sqlite3.Connection) -> None:
    message = Message(
        Role.TOOL, "no", (), "call-1", "weather", is_error=True, sender="Ada", model="m", usage=Usage(3, 4)
    )
    (entry,) = append(connection, message)
    assert entry == Entry(1, message, "run-1", 200)
    assert select_messages(connection, KEY, 10, None) == [entry]


def test_messages_are_counted_in_their_session(connection: sqlite3.Connection) -> None:
    messages = [user("hi"), said("It is noon.", "call-1"), tool_result("call-1")]
    append(connection, *messages)
    session = select_session(connection, KEY)
    assert session is not None
    assert session.message_count == 3
    assert session.estimated_tokens == sum(map(estimated_tokens, messages))
    assert (session.created_at, session.updated_at) == (100, 200)


@pytest.mark.parametrize(("most", "count"), [(0, 1), (1050, 1), (2500, 2), (4000, 3), (100_000, 4)])
def test_very_long_messages_are_read_a_few_at_a_time(connection: sqlite3.Connection, most: int, count: int) -> None:
    append(connection, *(user(f"{number}" * 1000) for number in range(4)))
    page = select_messages(connection, KEY, 10, None, most)
    assert [entry.seq for entry in page] == [1, 2, 3, 4][-count:]
    assert select_messages(connection, KEY, 10, page[0].seq) == select_messages(connection, KEY, 10, None)[:-count]


@pytest.mark.parametrize(
    ("message", "tokens"),
    [(user(""), 10), (user("x" * 7), 11), (user("x" * 400), 110), (said("x" * 6, "call-1"), 10 + (6 + 12 + 2) // 4)],
)
def test_four_characters_are_a_token_and_each_message_ten_more(message: Message, tokens: int) -> None:
    assert estimated_tokens(message) == tokens


def test_each_session_counts_from_one(connection: sqlite3.Connection) -> None:
    append(connection, user("a"), user("b"))
    other = ensure_session(connection, OTHER_KEY, "chat_1", 100)
    assert append_message(connection, other, None, user("c"), 200).seq == 1
    assert texts(select_messages(connection, OTHER_KEY, 10, None)) == ["c"]


def test_the_newest_messages_come_oldest_first_and_page_by_page(connection: sqlite3.Connection) -> None:
    append(connection, *map(user, "abcde"))
    newest = select_messages(connection, KEY, 2, None)
    assert texts(newest) == ["d", "e"]
    before = select_messages(connection, KEY, 2, newest[0].seq)
    assert texts(before) == ["b", "c"]
    assert texts(select_messages(connection, KEY, 2, before[0].seq)) == ["a"]
    assert select_messages(connection, KEY, 2, 1) == []


def test_an_unknown_session_has_no_messages(connection: sqlite3.Connection) -> None:
    assert select_messages(connection, KEY, 10, None) == select_history(connection, KEY, 10) == []


def test_the_history_is_the_newest_messages(connection: sqlite3.Connection) -> None:
    append(connection, *map(user, "abcde"))
    assert texts(select_history(connection, KEY, 3)) == ["c", "d", "e"]


def test_the_history_begins_after_the_last_reset_and_the_messages_do_not(connection: sqlite3.Connection) -> None:
    append(connection, user("a"), user("b"))
    reset_session(connection, KEY, 300)
    assert select_history(connection, KEY, 10) == []
    append(connection, user("c"))
    assert texts(select_history(connection, KEY, 10)) == ["c"]
    assert texts(select_messages(connection, KEY, 10, None)) == ["a", "b", "c"]


def test_the_history_does_not_begin_with_the_result_of_a_call_outside_of_it(connection: sqlite3.Connection) -> None:
    append(connection, user("time?"), said("", "c1", "c2"), tool_result("c1"), tool_result("c2"), said("Noon."))
    assert texts(select_history(connection, KEY, 3)) == ["Noon."]
    assert texts(select_history(connection, KEY, 4)) == ["", "noon", "noon", "Noon."]


def test_a_reset_between_a_call_and_its_result_leaves_the_result_out(connection: sqlite3.Connection) -> None:
    append(connection, user("forget it"), said("", "c1"))
    reset_session(connection, KEY, 300)
    append(connection, tool_result("c1"))
    assert select_history(connection, KEY, 10) == []
    append(connection, said("Done."))
    assert texts(select_history(connection, KEY, 10)) == ["Done."]


def test_the_steps_of_a_run_are_its_own(connection: sqlite3.Connection) -> None:
    append(connection, user("a"), said("b"), run_id="run-1")
    first, second = append(connection, user("c"), said("d"), run_id="run-2")
    session_id = ensure_session(connection, KEY, "4711", 100)
    assert select_steps(connection, session_id, first.seq, "run-2") == (first, second)
    assert select_steps(connection, session_id, 1, "run-2") == (first, second)
