from __future__ import annotations

import sqlite3
from pathlib import Path

from attrs import evolve

from tests.storage.values import acceptance, done, said, tool_result
from xopc.contracts.messages import Address, Inbound, Outbound, OutboxState, PeerKind
from xopc.contracts.transcript import Message, Role
from xopc.storage.path.base import Acceptance
from xopc.storage.path.forget import REDACTED, Person, Traces
from xopc.storage.path.outbox import Attempt
from xopc.storage.sqlite import open_storage
from xopc.storage.transactions.forget import forget, select_traces
from xopc.storage.transactions.inbox import accept, prune_inbox
from xopc.storage.transactions.outbox import enqueue, settle
from xopc.storage.transactions.outbox_select import select_row
from xopc.storage.transactions.runs import claim, finish, select_result, step
from xopc.storage.transactions.sessions import create_session, select_session
from xopc.storage.transactions.transcripts import select_history, select_messages

ANN, BOB = Person("1", "telegram"), Person("2", "telegram")
PRIVATE = "main:telegram:default:dm:1"
GROUP = "main:telegram:default:group:-100"
MAIN = "main:main:default:dm:main"
SECRET = "the password is swordfish"


def write(
    connection: sqlite3.Connection,
    run_id: str,
    session_key: str,
    sender: str,
    chat: str | None = None,
    *,
    kind: PeerKind = PeerKind.DM,
    answered: bool = True,
    channel: str = "telegram",
) -> None:
    """Somebody writes, and is answered with a call of a tool and a message."""
    where = Address(channel, "default", chat or sender)
    message = Inbound(where, kind, sender, f"{SECRET} {run_id}", f"key:{run_id}", sender, f"id:{run_id}")
    accept(connection, [Acceptance(message, session_key, run_id)], None, "opening", 1)
    if answered:
        claim(connection, session_key, "boot", 2)
        step(connection, run_id, said("", "c1"), 3)
        step(connection, run_id, tool_result("c1", SECRET), 3)
        answer = Outbound(where, SECRET, reply_to=f"id:{run_id}" if kind is PeerKind.GROUP else None)
        finish(connection, run_id, done(SECRET, answer), [f"msg_{run_id}"], 4)


def everything(connection: sqlite3.Connection) -> str:
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return "\n".join(str(connection.execute(f"SELECT * FROM {table}").fetchall()) for table in tables)  # noqa: S608  names of tables


def test_of_a_private_session_nothing_stays(connection: sqlite3.Connection) -> None:
    write(connection, "a", PRIVATE, "1")
    write(connection, "b", PRIVATE, "1", answered=False)
    expected = Traces(
        sessions=(PRIVATE,),
        shared=(),
        messages=4,
        redacted=0,
        inbox=2,
        outbox=1,
        dedupe_keys=2,
        open_runs=((PRIVATE, "b"),),
    )
    assert select_traces(connection, [ANN], []) == expected
    assert select_session(connection, PRIVATE) is not None
    assert forget(connection, [ANN], []) == expected
    assert select_session(connection, PRIVATE) is None
    assert SECRET not in everything(connection)
    assert "key:" not in everything(connection)
    assert forget(connection, [ANN], []) == Traces((), (), 0, 0, 0, 0, 0, ())


def test_others_stay_as_they_are(connection: sqlite3.Connection) -> None:
    write(connection, "b", "main:telegram:default:dm:2", "2")
    before = everything(connection)
    write(connection, "a", PRIVATE, "1")
    forget(connection, [ANN, Person("2", "feishu")], [])
    assert everything(connection) == before


def test_in_a_group_what_one_wrote_and_was_answered_is_redacted_in_its_place(connection: sqlite3.Connection) -> None:
    for run_id, sender in (("a", "1"), ("b", "2")):
        write(connection, run_id, GROUP, sender, "-100", kind=PeerKind.GROUP)
    write(connection, "c", GROUP, "1", "-100", kind=PeerKind.GROUP, answered=False)
    before = select_messages(connection, GROUP, 100, None)
    traces = forget(connection, [ANN], [])
    assert (traces.sessions, traces.shared, traces.redacted) == ((), (GROUP,), 4)
    assert (traces.inbox, traces.outbox, traces.dedupe_keys) == (2, 1, 2)
    after = select_messages(connection, GROUP, 100, None)
    assert [entry.seq for entry in after] == list(range(1, 9))
    assert after[4:] == before[4:]
    assert [entry.message for entry in after[:4]] == [
        Message(Role.USER, REDACTED),
        Message(Role.ASSISTANT, REDACTED),
        Message(Role.TOOL, REDACTED, tool_call_id="c1", tool_name="current_time"),
        Message(Role.ASSISTANT, REDACTED),
    ]
    assert select_history(connection, GROUP, 100) == after
    assert select_result(connection, "a") is select_result(connection, "c") is select_row(connection, "msg_a") is None
    assert select_row(connection, "msg_b") is not None
    assert claim(connection, GROUP, "boot", 9) is None


def test_a_group_stays_even_where_nobody_else_has_written_yet(connection: sqlite3.Connection) -> None:
    write(connection, "a", GROUP, "1", "-100", kind=PeerKind.GROUP)
    assert forget(connection, [ANN], []).sessions == ()
    assert select_session(connection, GROUP) is not None
    assert SECRET not in everything(connection)


def test_in_a_session_that_private_chats_share_the_others_messages_stay(connection: sqlite3.Connection) -> None:
    write(connection, "a", MAIN, "1")
    write(connection, "b", MAIN, "2")
    write(connection, "f", MAIN, "1", channel="feishu")
    traces = forget(connection, [ANN], [])
    assert (traces.sessions, traces.shared, traces.redacted, traces.outbox) == ((), (MAIN,), 4, 1)
    texts = [entry.message.content for entry in select_messages(connection, MAIN, 100, None)]
    assert texts[:4] == [REDACTED] * 4
    assert texts[4::4] == [f"{SECRET} b", f"{SECRET} f"]
    assert forget(connection, [BOB, Person("1")], []).sessions == (MAIN,)


def test_a_person_with_several_ids_and_a_name_is_one(connection: sqlite3.Connection) -> None:
    named = "main:dm:default:dm:ann"
    write(connection, "a", named, "1")
    write(connection, "f", named, "ou_1", channel="feishu")
    create_session(connection, "coder:dm:default:dm:ann", "ann", 1)
    people = [ANN, Person("ou_1", "feishu")]
    assert forget(connection, people, ["ann"]).sessions == (named, "coder:dm:default:dm:ann")


def test_a_session_that_was_made_for_a_person_who_never_wrote_goes_too(connection: sqlite3.Connection) -> None:
    create_session(connection, PRIVATE, "1", 1)
    create_session(connection, "main:feishu:default:dm:1", "1", 1)
    assert forget(connection, [ANN], []).sessions == (PRIVATE,)
    assert forget(connection, [Person("1")], []).sessions == ("main:feishu:default:dm:1",)


def test_what_waits_to_be_sent_to_a_person_goes_whoever_sends_it(connection: sqlite3.Connection) -> None:
    write(connection, "a", PRIVATE, "1")
    for row_id, channel, account, chat in (
        ("msg_x", "telegram", "default", "1"),
        ("msg_y", "telegram", "work", "1"),
        ("msg_z", "feishu", "default", "1"),
        ("msg_o", "telegram", "default", "11"),
    ):
        enqueue(connection, row_id, Outbound(Address(channel, account, chat), SECRET), None, 5)
    assert forget(connection, [ANN], []).outbox == 3
    assert [row_id for row_id in ("msg_x", "msg_y", "msg_z", "msg_o") if select_row(connection, row_id)] == [
        "msg_z",
        "msg_o",
    ]


def test_what_was_sent_to_a_person_who_never_wrote_goes_too(connection: sqlite3.Connection) -> None:
    enqueue(connection, "msg_x", Outbound(Address("telegram", "default", "1"), SECRET), "key", 5)
    assert forget(connection, [ANN], []).outbox == 1
    assert SECRET not in everything(connection)


def test_a_dead_answer_in_a_group_goes_however_old_it_is(connection: sqlite3.Connection) -> None:
    for run_id, sender in (("a", "1"), ("b", "2")):
        write(connection, run_id, GROUP, sender, "-100", kind=PeerKind.GROUP)
    for row_id in ("msg_a", "msg_b"):
        settle(connection, row_id, Attempt(OutboxState.DEAD, "chat not found"), 6)
    prune_inbox(connection, 30 * 3600)
    assert select_result(connection, "a") is None
    assert forget(connection, [ANN], []).outbox == 1
    assert select_row(connection, "msg_a") is None
    assert select_row(connection, "msg_b") is not None


def test_a_message_that_cannot_be_read_keeps_nobody_from_being_forgotten(connection: sqlite3.Connection) -> None:
    write(connection, "a", PRIVATE, "1", answered=False)
    write(connection, "g", GROUP, "1", "-100", kind=PeerKind.GROUP, answered=False)
    write(connection, "h", GROUP, "1", "-100", kind=PeerKind.GROUP, answered=False)
    connection.execute("UPDATE inbox SET inbound = '{\"of\": \"an older version\"}' WHERE run_id IN ('a', 'g')")
    traces = forget(connection, [ANN], [])
    assert (traces.sessions, traces.shared, traces.inbox) == ((PRIVATE,), (GROUP,), 2)
    assert select_session(connection, PRIVATE) is None


async def test_what_was_forgotten_is_in_no_file_of_the_database(path: Path) -> None:
    item = acceptance("run-1", PRIVATE)
    item = evolve(item, inbound=evolve(item.inbound, sender="1", text=SECRET * 1000))
    async with open_storage(path) as storage:
        await storage.accept([item])
        await storage.claim(PRIVATE, "boot")
        await storage.finish("run-1", done(SECRET, Outbound(item.inbound.address, SECRET)))
        assert SECRET.encode() in b"".join(file.read_bytes() for file in path.parent.glob("xopc.db*"))
        traces = await storage.traces([ANN], [])
        assert await storage.forget([ANN], []) == traces
        assert traces.messages == 2
        assert SECRET.encode() not in b"".join(file.read_bytes() for file in path.parent.glob("xopc.db*"))
