from __future__ import annotations

import sqlite3

import pytest
from attrs import evolve

from tests.storage.values import DAY_SECONDS, KEY, OTHER_KEY, acceptance, done, outbound, said
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.keys import SessionKey, segment
from xopc.contracts.messages import Address
from xopc.contracts.transcript import Message, Role, Usage
from xopc.storage.base import StorageError
from xopc.storage.path.base import Accepted
from xopc.storage.path.sessions import Keeping, SessionChange, SessionInfo
from xopc.storage.transactions.inbox import accept, prune_inbox
from xopc.storage.transactions.outbox_select import select_row
from xopc.storage.transactions.runs import claim, finish, select_result, step
from xopc.storage.transactions.sessions import (
    change_session,
    create_session,
    delete_session,
    ensure_session,
    reset_session,
    select_active_run,
    select_empty_session,
    select_session,
    touch_sessions,
    update_model,
)
from xopc.storage.transactions.transcripts import append_message, select_messages


def create(connection: sqlite3.Connection, *keys: str) -> None:
    for now, key in enumerate(keys):
        create_session(connection, key, "peer", now)


def say(connection: sqlite3.Connection, key: str, now: float) -> None:
    append_message(connection, ensure_session(connection, key, "peer", 0), None, Message(Role.USER, "hi"), now)


def test_a_session_is_made_of_its_key(connection: sqlite3.Connection) -> None:
    key = "coder:telegram:work:group:-100123:thread:42"
    made = create_session(connection, key, "-100123", 5)
    assert made == SessionInfo(
        key, "coder", "telegram", "work", "group", "-100123", "42", 5, 5, 0, 0, last_accessed_at=5
    )
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


def test_what_is_changed_is_changed_and_nothing_else(connection: sqlite3.Connection) -> None:
    made = create_session(connection, KEY, "4711", 5)
    change = SessionChange(Keeping.PINNED, "Über", ("b", "a", "b"), {"k": [1]}, "high", "on", "full", "a/b")
    changed = evolve(
        made,
        keeping=Keeping.PINNED,
        name="Über",
        tags=("a", "b"),
        custom_data={"k": [1]},
        thinking_level="high",
        reasoning_level="on",
        verbose_level="full",
        model="a/b",
    )
    assert change_session(connection, KEY, change) == select_session(connection, KEY) == changed
    assert change_session(connection, KEY, SessionChange()) == changed
    assert change_session(connection, KEY, SessionChange(Keeping.ACTIVE, "", (), {}, "", "", "", "")) == made
    assert change_session(connection, OTHER_KEY, change) is None


def test_an_archived_session_is_active_again_when_somebody_writes_in_it(connection: sqlite3.Connection) -> None:
    create(connection, KEY, OTHER_KEY)
    change_session(connection, KEY, SessionChange(Keeping.ARCHIVED))
    change_session(connection, OTHER_KEY, SessionChange(Keeping.PINNED))
    append_message(connection, 1, None, said("late"), 5)
    assert kept(connection) == [Keeping.ARCHIVED, Keeping.PINNED]
    say(connection, KEY, 6)
    say(connection, OTHER_KEY, 6)
    assert kept(connection) == [Keeping.ACTIVE, Keeping.PINNED]


def kept(connection: sqlite3.Connection) -> list[Keeping]:
    found = [select_session(connection, key) for key in (KEY, OTHER_KEY)]
    return [session.keeping for session in found if session]


def test_turns_and_what_models_counted_are_added_up(connection: sqlite3.Connection) -> None:
    accept(connection, [acceptance("run-1"), acceptance("run-2")], None, "opening", 1)
    claim(connection, KEY, "boot", 2)
    finish(connection, "run-1", evolve(done("hi"), usage=Usage(12, 8)), [], 3)
    finish(connection, "run-2", done("never begun"), [], 4)
    session = select_session(connection, KEY)
    assert session is not None
    assert (session.turn_count, session.token_count, session.last_turn_at) == (1, 20, 3)


def test_what_was_opened_is_noted_and_never_earlier_than_it_is(connection: sqlite3.Connection) -> None:
    create_session(connection, KEY, "4711", 5)
    touch_sessions(connection, [(KEY, 9), ("gone", 9), (KEY, 7)])
    session = select_session(connection, KEY)
    assert session is not None
    assert (session.last_accessed_at, session.updated_at) == (9, 5)


def test_the_run_that_runs_or_waits_is_told(connection: sqlite3.Connection) -> None:
    assert select_active_run(connection, KEY) is None
    accept(connection, [acceptance("run-1"), acceptance("run-2")], None, "opening", 1)
    assert select_active_run(connection, KEY) == "run-1"
    claim(connection, KEY, "boot", 2)
    finish(connection, "run-1", done("hi"), [], 3)
    assert select_active_run(connection, KEY) == "run-2"


def test_ids_are_kept_as_the_platform_spells_them(connection: sqlite3.Connection) -> None:
    where = Address("feishu", "Work@Home", "oc_ABC", "om_X")
    key = str(SessionKey("main", "feishu", segment("Work@Home", ""), "group", "oc_abc", "om_x", "S"))
    ensure_session(connection, key.lower(), where.chat, 1, where)
    session = select_session(connection, key.lower())
    assert session is not None
    assert (session.account_id, session.peer_id, session.thread_id, session.scope_id) == (
        "Work@Home",
        "oc_ABC",
        "om_X",
        "s",
    )


def test_a_session_that_several_chats_share_has_the_ids_of_its_key(connection: sqlite3.Connection) -> None:
    ensure_session(connection, "main:main:default:dm:main", "4711", 1, Address("telegram", "work", "4711"))
    session = select_session(connection, "main:main:default:dm:main")
    assert session is not None
    assert (session.source, session.account_id, session.peer_id) == ("main", "default", "main")


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
