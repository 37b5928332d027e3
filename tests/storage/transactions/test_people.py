from __future__ import annotations

import sqlite3

from attrs import evolve

from tests.storage.values import KEY, acceptance, inbound
from xopc.contracts.messages import PeerKind
from xopc.storage.transactions.inbox import accept
from xopc.storage.transactions.people import find_noted, note_person, person_of
from xopc.storage.transactions.runs import claim
from xopc.storage.transactions.sessions import ensure_session


def test_a_person_is_the_sender_however_the_id_is_written() -> None:
    assert person_of(evolve(inbound(), sender=" OU_x ")) == "ou_x"


def test_who_writes_is_noted_once_a_chat_with_the_last_time(connection: sqlite3.Connection) -> None:
    session = ensure_session(connection, KEY, "4711", 1)
    note_person(connection, session, inbound(), 5)
    note_person(connection, session, inbound(), 3)
    note_person(connection, session, evolve(inbound(kind=PeerKind.GROUP), sender="8"), 4)
    rows = connection.execute("SELECT channel, account, chat, person, peer_kind, last_at FROM session_people")
    assert rows.fetchall() == [
        ("telegram", "default", "4711", "4711", "dm", 5),
        ("telegram", "default", "4711", "8", "group", 4),
    ]


def test_a_message_of_a_transcript_knows_who_wrote_it(connection: sqlite3.Connection) -> None:
    accept(connection, [acceptance("run-1")], None, "opening", 1)
    claim(connection, KEY, "boot", 2)
    assert connection.execute("SELECT author FROM messages").fetchall() == [("telegram:4711",)]
    assert connection.execute("SELECT person FROM session_people").fetchall() == [("4711",)]


def test_a_person_who_goes_on_writing_is_noted_once_in_ten_seconds(connection: sqlite3.Connection) -> None:
    noted: list[float] = []
    for number, now in enumerate((100, 109, 110, 115, 121, 50)):
        accept(connection, [acceptance(f"run-{number}")], None, "opening", now)
        noted += [last_at for (last_at,) in connection.execute("SELECT last_at FROM session_people")]
    assert noted == [100, 100, 110, 110, 121, 121]


def test_each_who_writes_in_a_session_is_noted_at_once(connection: sqlite3.Connection) -> None:
    first = acceptance("run-1")
    chat = evolve(first.inbound.address, chat="-100")
    others = [
        evolve(first.inbound, sender="8", dedupe_key="test:8"),
        evolve(first.inbound, address=chat, dedupe_key="test:-100"),
    ]
    items = [first, *(evolve(first, inbound=other, run_id=other.dedupe_key) for other in others)]
    accept(connection, items, None, "opening", 1)
    rows = connection.execute("SELECT chat, person FROM session_people ORDER BY chat, person").fetchall()
    assert rows == [("-100", "4711"), ("4711", "4711"), ("4711", "8")]
    assert find_noted(connection, KEY, first.inbound, 5) == (1, True)
    assert find_noted(connection, KEY, first.inbound, 50) == (1, False)
    assert find_noted(connection, "main:telegram:default:dm:1", first.inbound, 5) == (None, False)
