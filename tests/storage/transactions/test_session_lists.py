from __future__ import annotations

import sqlite3

import pytest

from tests.storage.values import KEY, OTHER_KEY, acceptance, done, inbound
from xopc.contracts.errors import XopcError
from xopc.contracts.messages import Address, Inbound, PeerKind
from xopc.contracts.transcript import Message, Role
from xopc.storage.apart import QUICK_ROWS
from xopc.storage.path.base import Acceptance
from xopc.storage.path.sessions import (
    IDLE_SECONDS,
    Chat,
    Keeping,
    PruneQuery,
    SessionChange,
    SessionQuery,
    SessionSum,
)
from xopc.storage.transactions.inbox import accept
from xopc.storage.transactions.runs import claim, finish
from xopc.storage.transactions.session_lists import (
    QUICK_OFFSET,
    is_quick,
    prune_sessions,
    select_chats,
    select_prunable,
    select_sessions,
    select_sums,
)
from xopc.storage.transactions.sessions import (
    change_session,
    create_session,
    delete_session,
    ensure_session,
    select_session,
)
from xopc.storage.transactions.transcripts import append_message

A, B, C = (f"main:webchat:default:direct:{name}" for name in "abc")
NOW = 10.0 * IDLE_SECONDS


def create(connection: sqlite3.Connection, *keys: str) -> None:
    for now, key in enumerate(keys):
        create_session(connection, key, "peer", now)


def keys(connection: sqlite3.Connection, query: SessionQuery, now: float = 0) -> list[str]:
    items, total = select_sessions(connection, query, now)
    assert total == len(items)
    return [session.key for session in items]


def say(connection: sqlite3.Connection, key: str, now: float) -> None:
    append_message(connection, ensure_session(connection, key, "peer", 0), None, Message(Role.USER, "hi"), now)


def keep(connection: sqlite3.Connection, key: str, keeping: Keeping) -> None:
    change_session(connection, key, SessionChange(keeping))


def test_a_page_of_sessions_comes_with_the_number_of_all(connection: sqlite3.Connection) -> None:
    names = [f"main:webchat:default:direct:chat_{n}" for n in range(5)]
    create(connection, *names)
    items, total = select_sessions(connection, SessionQuery(limit=2, offset=1), 0)
    assert [item.key for item in items] == [names[3], names[2]]
    assert total == 5
    assert select_sessions(connection, SessionQuery(offset=9), 0) == ([], 5)
    assert select_sessions(connection, SessionQuery(channel="webchat", limit=1), 0)[1] == 5


def test_the_number_of_all_is_right_however_the_list_is_narrowed(connection: sqlite3.Connection) -> None:
    create(connection, A, B, C, KEY, "coder:telegram:default:dm:1")
    for key, keeping in ((A, Keeping.PINNED), (KEY, Keeping.ARCHIVED)):
        keep(connection, key, keeping)
    for keepings in ({Keeping.PINNED}, {Keeping.ACTIVE, Keeping.ARCHIVED}, set[Keeping](), set(Keeping)):
        for channel in (None, "webchat", "telegram", "fax"):
            for agent_id in (None, "main", "coder", "cook"):
                keys(connection, SessionQuery(channel, agent_id, keepings=frozenset(keepings)))


def test_no_sessions_are_an_empty_page(connection: sqlite3.Connection) -> None:
    assert select_sessions(connection, SessionQuery(), 0) == ([], 0)


def test_sessions_are_sorted_as_asked(connection: sqlite3.Connection) -> None:
    create(connection, C, A, B)
    for key, now in ((B, 10), (B, 11), (A, 12), (C, 9), (C, 9), (C, 9)):
        say(connection, key, now)
    connection.execute("UPDATE sessions SET last_accessed_at = 99 WHERE key = ?", (B,))
    assert keys(connection, SessionQuery()) == [A, B, C]
    assert keys(connection, SessionQuery(sort_by="createdAt")) == [B, A, C]
    assert keys(connection, SessionQuery(sort_by="messageCount")) == [C, B, A]
    assert keys(connection, SessionQuery(sort_by="lastAccessedAt")) == [B, A, C]
    assert keys(connection, SessionQuery(sort_by="updatedAt", descending=False)) == [C, B, A]
    with pytest.raises(XopcError, match=r'sortBy is "age": use one of updatedAt, .*, lastAccessedAt'):
        keys(connection, SessionQuery(sort_by="age"))


def test_sessions_are_found_by_channel_agent_and_search(connection: sqlite3.Connection) -> None:
    coder = "coder:telegram:default:dm:4711"
    create(connection, KEY, OTHER_KEY, coder)
    change_session(connection, OTHER_KEY, SessionChange(name="Über 100% sure"))
    assert keys(connection, SessionQuery(channel="telegram")) == [coder, KEY]
    assert keys(connection, SessionQuery(channel="telegram", agent_id="main")) == [KEY]
    assert keys(connection, SessionQuery(search="CHAT_")) == [OTHER_KEY]
    assert keys(connection, SessionQuery(search="über")) == keys(connection, SessionQuery(search="0% S")) == [OTHER_KEY]
    assert keys(connection, SessionQuery(search="main%")) == []


def test_sessions_are_found_by_all_of_their_tags(connection: sqlite3.Connection) -> None:
    create(connection, A, B)
    change_session(connection, A, SessionChange(tags=("work", "urgent")))
    change_session(connection, B, SessionChange(tags=("work",)))
    assert keys(connection, SessionQuery(tags=("work",))) == [B, A]
    assert keys(connection, SessionQuery(tags=("work", "urgent"))) == [A]
    assert keys(connection, SessionQuery(tags=("Work",))) == []


def test_sessions_are_found_by_how_they_are_kept_and_whether_they_are_idle(connection: sqlite3.Connection) -> None:
    create(connection, A, B, C, KEY)
    keep(connection, A, Keeping.ARCHIVED)
    keep(connection, B, Keeping.PINNED)
    say(connection, C, NOW - IDLE_SECONDS)

    def found(*keepings: Keeping, is_idle: bool | None = None) -> list[str]:
        return keys(connection, SessionQuery(keepings=frozenset(keepings), is_idle=is_idle), NOW)

    assert found(Keeping.ARCHIVED) == [A]
    assert found(Keeping.PINNED, Keeping.ARCHIVED) == [B, A]
    assert found(Keeping.ACTIVE) == [C, KEY]
    assert found(Keeping.ACTIVE, is_idle=True) == [KEY]
    assert found(Keeping.ACTIVE, is_idle=False) == [C]
    assert found(Keeping.ACTIVE, Keeping.PINNED, is_idle=True) == [KEY, B]
    assert found(*Keeping, is_idle=False) == [C, B, A]
    assert found() == []


@pytest.mark.parametrize(
    ("query", "quick"),
    [
        (SessionQuery(), True),
        (SessionQuery(sort_by="messageCount", descending=False, limit=QUICK_ROWS, offset=QUICK_OFFSET), True),
        (SessionQuery(offset=QUICK_OFFSET + 1), False),
        (SessionQuery(limit=QUICK_ROWS + 1), False),
        (SessionQuery(channel="telegram"), False),
        (SessionQuery(search="a"), False),
        (SessionQuery(tags=("a",)), False),
        (SessionQuery(keepings=frozenset({Keeping.PINNED})), False),
        (SessionQuery(is_idle=False), False),
    ],
)
def test_what_may_look_at_each_session_is_not_quick(query: SessionQuery, quick: bool) -> None:
    assert is_quick(query) is quick


def test_sums_follow_whatever_becomes_of_sessions(connection: sqlite3.Connection) -> None:
    accept(connection, [acceptance("run-1")], None, "opening", 1)
    claim(connection, KEY, "boot", NOW)
    finish(connection, "run-1", done("hi"), [], NOW)
    create(connection, A, B, C)
    keep(connection, A, Keeping.PINNED)
    assert select_sums(connection, NOW) == (
        [
            SessionSum("main", "telegram", Keeping.ACTIVE, 1, 2, 1, 0),
            SessionSum("main", "webchat", Keeping.ACTIVE, 2, 0, 0, 0),
            SessionSum("main", "webchat", Keeping.PINNED, 1, 0, 0, 0),
        ],
        2,
    )
    keep(connection, KEY, Keeping.ARCHIVED)
    delete_session(connection, A, 1)
    delete_session(connection, B, 1)
    assert select_sums(connection, NOW)[0] == [
        SessionSum("main", "telegram", Keeping.ARCHIVED, 1, 2, 1, 0),
        SessionSum("main", "webchat", Keeping.ACTIVE, 1, 0, 0, 0),
    ]


def test_the_chats_that_somebody_wrote_from_are_listed_the_last_first(connection: sqlite3.Connection) -> None:
    shared = "main:main:default:dm:main"
    for now, (run, sender, chat) in enumerate([("1", "7", "7"), ("2", "8", "8"), ("3", "9", "7")]):
        message = Inbound(Address("telegram", "default", chat), PeerKind.DM, sender, "x", run)
        accept(connection, [Acceptance(message, shared, run)], None, "opening", now)
    accept(connection, [Acceptance(inbound("4", kind=PeerKind.GROUP), KEY, "4")], None, "opening", 5)
    assert select_chats(connection, None, 10) == [
        Chat("telegram", "default", "4711", "group", 5),
        Chat("telegram", "default", "7", "dm", 2),
        Chat("telegram", "default", "8", "dm", 1),
    ]
    assert select_chats(connection, "telegram", 1)[0].chat == "4711"
    assert select_chats(connection, "webchat", 9) == []


def test_jobs_and_beats_in_sessions_of_their_own_write_from_no_chat(connection: sqlite3.Connection) -> None:
    places = [("heartbeat:main", "telegram", "7"), ("cron:5f0c1a2b", "cron", "5f0c1a2b")]
    for now, (key, channel, chat) in enumerate(places):
        message = Inbound(Address(channel, "default", chat), PeerKind.DIRECT, "heartbeat", "x", key)
        accept(connection, [Acceptance(message, key, f"run-{now}")], None, "opening", now)
    assert select_chats(connection, None, 10) == []


def test_a_prune_finds_what_is_unused_but_never_what_people_keep_or_what_waits(connection: sqlite3.Connection) -> None:
    create(connection, A, B, C, KEY)
    say(connection, C, 50)
    keep(connection, B, Keeping.ARCHIVED)
    assert select_prunable(connection, PruneQuery(unused_since=60)) == [A, KEY, C]
    assert select_prunable(connection, PruneQuery(unused_since=50)) == [A, KEY]
    assert select_prunable(connection, PruneQuery(unused_since=60, channel="telegram")) == [KEY]
    assert select_prunable(connection, PruneQuery(unused_since=60, agent_id="coder")) == []
    assert select_prunable(connection, PruneQuery(keep_newest=1)) == [A, KEY]
    assert select_prunable(connection, PruneQuery(keep_newest=2, unused_since=3)) == [A]
    accept(connection, [acceptance("run-1")], None, "opening", 1)
    assert select_prunable(connection, PruneQuery(unused_since=60)) == [A, C]


def test_what_was_used_since_it_was_found_is_not_pruned(connection: sqlite3.Connection) -> None:
    create(connection, A, B)
    query = PruneQuery(unused_since=60)
    say(connection, A, 70)
    assert prune_sessions(connection, [A, B, C], query, 71) == [B]
    assert select_session(connection, A) is not None
    assert select_session(connection, B) is None
    assert select_session(connection, OTHER_KEY) is None
