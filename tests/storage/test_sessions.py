from __future__ import annotations

import sqlite3

import pytest
from attrs import evolve

from tests.storage.values import DAY_SECONDS, KEY, OTHER_KEY, acceptance, done, outbound, said
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.transcript import Message, Role
from xopc.storage.base import StorageError
from xopc.storage.inbox import accept, prune_inbox
from xopc.storage.outbox import select_row
from xopc.storage.path import Accepted
from xopc.storage.path_sessions import SessionInfo, SessionQuery
from xopc.storage.runs import claim, finish, select_result, step
from xopc.storage.sessions import (
    create_session,
    delete_session,
    ensure_session,
    reset_session,
    select_empty_session,
    select_session,
    select_sessions,
    update_model,
)
from xopc.storage.transcripts import append_message, select_messages


def create(connection: sqlite3.Connection, *keys: str) -> None:
    for now, key in enumerate(keys):
        create_session(connection, key, "peer", now)


def keys(connection: sqlite3.Connection, query: SessionQuery) -> list[str]:
    return [session.key for session in select_sessions(connection, query)[0]]


def say(connection: sqlite3.Connection, key: str, now: float) -> None:
    append_message(connection, ensure_session(connection, key, "peer", 0), None, Message(Role.USER, "hi"), now)


def test_a_session_is_made_of_its_key(connection: sqlite3.Connection) -> None:
    key = "coder:telegram:work:group:-100123:thread:42"
    made = create_session(connection, key, "-100123", 5)
    assert made == SessionInfo(key, "coder", "telegram", "work", "group", "-100123", "42", 5, 5, 0, 0)
    assert select_session(connection, key) == made


def test_a_session_that_is_there_is_left_as_it_is(connection: sqlite3.Connection) -> None:
    made = create_session(connection, KEY, "4711", 5)
    assert create_session(connection, KEY, "other", 6) == made


@pytest.mark.parametrize(
    ("key", "agent", "source"),
    [
        ("cron:1a2b3c4d", "main", "cron"),
        ("heartbeat:main", "main", "heartbeat"),
        ("heartbeat:isolated:1718000000000", "main", "heartbeat"),
        ("subagent:coder:webchat:default:direct:x:1", "coder", "subagent"),
        ("coder:acp:0c1d", "coder", "acp"),
    ],
)
def test_a_session_that_is_no_chat_is_kept_and_found_as_any(
    connection: sqlite3.Connection, key: str, agent: str, source: str
) -> None:
    made = create_session(connection, key, "x", 5)
    assert (made.key, made.agent_id, made.source) == (key, agent, source)
    assert keys(connection, SessionQuery(channel=source)) == [key]
    say(connection, key, 6)
    assert select_messages(connection, key, 10, None)


def test_what_is_no_key_makes_no_session(connection: sqlite3.Connection) -> None:
    with pytest.raises(XopcError, match='"main:telegram" is no session key') as raised:
        create_session(connection, "main:telegram", "4711", 5)
    assert raised.value.failure is Failure.INVALID_REQUEST


def test_an_unknown_session_is_none(connection: sqlite3.Connection) -> None:
    assert select_session(connection, KEY) is None
    update_model(connection, KEY, "a/b")
    reset_session(connection, KEY, 5)
    assert select_session(connection, KEY) is None


def test_the_model_of_a_session_can_be_chosen_and_left_to_the_agent_again(connection: sqlite3.Connection) -> None:
    made = create_session(connection, KEY, "4711", 5)
    update_model(connection, KEY, "ollama/small")
    assert select_session(connection, KEY) == evolve(made, model="ollama/small")
    update_model(connection, KEY, None)
    assert select_session(connection, KEY) == made


def test_a_page_of_sessions_comes_with_the_number_of_all(connection: sqlite3.Connection) -> None:
    names = [f"main:webchat:default:direct:chat_{n}" for n in range(5)]
    create(connection, *names)
    items, total = select_sessions(connection, SessionQuery(limit=2, offset=1))
    assert [item.key for item in items] == [names[3], names[2]]
    assert total == 5
    assert select_sessions(connection, SessionQuery(offset=9)) == ([], 5)


def test_no_sessions_are_an_empty_page(connection: sqlite3.Connection) -> None:
    assert select_sessions(connection, SessionQuery()) == ([], 0)


def test_sessions_are_sorted_as_asked(connection: sqlite3.Connection) -> None:
    a, b, c = (f"main:webchat:default:direct:{name}" for name in "abc")
    create(connection, c, a, b)
    for key, now in ((b, 10), (b, 11), (a, 12), (c, 9), (c, 9), (c, 9)):
        say(connection, key, now)
    assert keys(connection, SessionQuery()) == [a, b, c]
    assert keys(connection, SessionQuery(sort_by="createdAt")) == [b, a, c]
    assert keys(connection, SessionQuery(sort_by="messageCount")) == [c, b, a]
    assert keys(connection, SessionQuery(sort_by="updatedAt", descending=False)) == [c, b, a]
    with pytest.raises(XopcError, match='sortBy is "age": use one of updatedAt, createdAt, messageCount'):
        keys(connection, SessionQuery(sort_by="age"))


def test_sessions_are_found_by_channel_agent_and_search(connection: sqlite3.Connection) -> None:
    coder = "coder:telegram:default:dm:4711"
    create(connection, KEY, OTHER_KEY, coder)
    connection.execute("UPDATE sessions SET name = 'Über 100% sure' WHERE key = ?", (OTHER_KEY,))
    assert keys(connection, SessionQuery(channel="telegram")) == [coder, KEY]
    assert keys(connection, SessionQuery(channel="telegram", agent_id="main")) == [KEY]
    assert keys(connection, SessionQuery(search="CHAT_")) == [OTHER_KEY]
    assert keys(connection, SessionQuery(search="über")) == keys(connection, SessionQuery(search="0% S")) == [OTHER_KEY]
    assert keys(connection, SessionQuery(search="main%")) == []
    assert select_sessions(connection, SessionQuery(channel="telegram", limit=1))[1] == 2


def test_the_newest_empty_session_of_a_source_and_agent_is_found(connection: sqlite3.Connection) -> None:
    first, second = (f"main:webchat:default:direct:chat_{n}" for n in (1, 2))
    create(connection, first, second, "coder:webchat:default:direct:chat_3", KEY)
    assert _empty(connection) == second
    say(connection, second, 5)
    assert _empty(connection) == first
    accept(connection, [acceptance("run-1", first)], None, "opening", 6)
    assert _empty(connection) is None


def _empty(connection: sqlite3.Connection) -> str | None:
    found = select_empty_session(connection, "webchat", "main")
    return found and found.key


def test_deleting_a_session_forgets_all_but_what_is_to_be_sent(connection: sqlite3.Connection) -> None:
    accept(connection, [acceptance("run-1"), acceptance("run-2"), acceptance("other", OTHER_KEY)], None, "opening", 1)
    claim(connection, KEY, "boot", 2)
    finish(connection, "run-1", done("hi", outbound("hi")), ["msg_1"], 3)
    assert delete_session(connection, KEY, 4)
    assert select_session(connection, KEY) is None
    assert select_messages(connection, KEY, 10, None) == []
    assert select_result(connection, "run-1") is select_result(connection, "run-2") is None
    assert select_row(connection, "msg_1") is not None
    assert select_result(connection, "other") is not None
    assert not delete_session(connection, KEY, 5)


def test_a_running_turn_whose_session_is_deleted_stores_nothing_more(connection: sqlite3.Connection) -> None:
    accept(connection, [acceptance("run-1")], None, "opening", 1)
    claim(connection, KEY, "boot", 2)
    delete_session(connection, KEY, 3)
    accept(connection, [acceptance("run-2")], None, "opening", 4)
    with pytest.raises(StorageError, match="run-1 is not running"):
        step(connection, "run-1", said("late"), 5)
    assert finish(connection, "run-1", done("late", outbound("late")), ["msg_1"], 6) == []
    assert select_messages(connection, KEY, 10, None) == []
    assert select_row(connection, "msg_1") is None


def test_a_message_of_a_deleted_session_is_not_accepted_again_for_a_week(connection: sqlite3.Connection) -> None:
    accept(connection, [acceptance("run-1")], None, "opening", 1)
    delete_session(connection, KEY, 2)
    prune_inbox(connection, 6 * DAY_SECONDS)
    again = evolve(acceptance("run-1"), run_id="run-2")
    assert accept(connection, [again], None, "opening", 3) == [Accepted("run-1", duplicate=True)]
    prune_inbox(connection, 8 * DAY_SECONDS)
    assert accept(connection, [again], None, "opening", 4) == [Accepted("run-2", duplicate=False)]
