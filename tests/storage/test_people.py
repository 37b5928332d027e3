from __future__ import annotations

import sqlite3

from attrs import evolve

from tests.storage.values import KEY, acceptance, inbound
from xopc.contracts.messages import PeerKind
from xopc.storage.inbox import accept
from xopc.storage.people import note_person, person_of
from xopc.storage.runs import claim
from xopc.storage.sessions import ensure_session


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
