from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.storage.values import CHAT, KEY, acceptance, done, outbound, requested, said, tool_result
from xopc.contracts.messages import Outbound, OutboxState
from xopc.contracts.transcript import Role, RunState
from xopc.storage.base import StorageError
from xopc.storage.path.outbox import Attempt
from xopc.storage.transactions.inbox import accept
from xopc.storage.transactions.outbox import begin_attempt, enqueue, record_part, settle
from xopc.storage.transactions.runs import claim, finish, step
from xopc.storage.transactions.traces import StoredTrace, read_traces, select_traces


@pytest.fixture
def answered(connection: sqlite3.Connection) -> None:
    """A message whose answer was sent in two parts."""
    accept(connection, [acceptance("run")], None, "opening", 1.0)
    claim(connection, KEY, "boot", 2.0)
    step(connection, "run", said("", "call"), 3.0)
    step(connection, "run", tool_result("call"), 4.0)
    finish(connection, "run", done("noon", outbound("It is noon.")), ["msg_1"], 5.0)
    begin_attempt(connection, "msg_1")
    record_part(connection, "msg_1", 1, "801")
    record_part(connection, "msg_1", 2, "802")
    settle(connection, "msg_1", Attempt(OutboxState.SENT), 6.0)


@pytest.mark.usefixtures("answered")
@pytest.mark.parametrize("wanted", ["run", "test:to run", "17", "msg_1", "801", "802"])
def test_a_message_is_found_by_each_of_its_ids(connection: sqlite3.Connection, path: Path, wanted: str) -> None:
    (found,) = select_traces(connection, wanted)
    assert [found] == read_traces(path, wanted)
    run, (row,) = found.run, found.outbox
    assert run is not None
    assert (run.run_id, run.session_key, run.boot_id, run.accepted_at, run.finished_at) == (
        "run",
        KEY,
        "boot",
        1.0,
        5.0,
    )
    assert [entry.message.role for entry in run.steps] == [Role.USER, Role.ASSISTANT, Role.TOOL, Role.ASSISTANT]
    assert run.result is not None
    assert run.result.state is RunState.DONE
    assert (row.id, row.run_id, row.platform_ids, row.settled_at) == ("msg_1", "run", ("801", "802"), 6.0)


@pytest.mark.usefixtures("answered")
def test_an_id_that_nobody_has_finds_nothing(connection: sqlite3.Connection) -> None:
    assert select_traces(connection, "80") == []
    assert select_traces(connection, "") == []


def test_a_request_is_found_by_its_callers_key(connection: sqlite3.Connection) -> None:
    accept(connection, [requested("run", key="mine")], None, "opening", 1.0)
    (found,) = select_traces(connection, "mine")
    assert found.run is not None
    assert (found.run.run_id, found.run.steps, found.outbox) == ("run", (), ())


def test_a_message_that_no_run_has_made_stands_alone(connection: sqlite3.Connection) -> None:
    enqueue(connection, "msg_2", Outbound(CHAT, "hello"), "key", 1.0)
    for wanted in ("msg_2", "key"):
        (found,) = select_traces(connection, wanted)
        assert (found.run, [row.id for row in found.outbox]) == (None, ["msg_2"])


def test_an_answer_outlives_the_message_that_it_answers(connection: sqlite3.Connection) -> None:
    accept(connection, [acceptance("run")], None, "opening", 1.0)
    claim(connection, KEY, "boot", 2.0)
    finish(connection, "run", done("noon", outbound("It is noon.")), ["msg_1"], 5.0)
    connection.execute("DELETE FROM inbox")
    (found,) = select_traces(connection, "msg_1")
    assert isinstance(found, StoredTrace)
    assert (found.run, found.outbox[0].run_id) == (None, "run")


def test_a_file_that_is_no_database_is_told(path: Path) -> None:
    path.write_bytes(b"no database" * 100)
    with pytest.raises(StorageError, match="cannot be read"):
        read_traces(path, "x")
