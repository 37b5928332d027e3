from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.scripted_api import Json, serving
from tests.storage.values import CHAT
from xopc.cli.trace import trace
from xopc.contracts.errors import XopcError
from xopc.contracts.messages import Outbound, OutboxState
from xopc.storage.connect import connect_writer
from xopc.storage.migrate import prepare
from xopc.storage.path.outbox import Attempt
from xopc.storage.transactions.outbox import begin_attempt, enqueue, settle

STEPS: list[dict[str, Any]] = [
    {"at": "2026-01-02T03:04:05.000Z", "kind": "accepted", "text": "Accepted", "afterMs": None, "details": {}},
    {"at": "2026-01-02T03:04:07.500Z", "kind": "ended", "text": "It\x1b[31m ended", "afterMs": 2500, "details": {}},
]
TRACE: dict[str, Any] = {
    "runId": "r",
    "sessionKey": "s",
    "dedupeKey": "d",
    "messageIds": [],
    "state": "done",
    "totalMs": 125_000,
    "steps": STEPS,
}


@pytest.fixture
def database(home: Path) -> Path:
    """A stopped gateway's, with a message that was sent."""
    path = home / ".xopc" / "xopc.db"
    path.parent.mkdir()
    prepare(path)
    with closing(connect_writer(path)) as connection:
        enqueue(connection, "msg_1", Outbound(CHAT, "hello"), None, 1.0)
        begin_attempt(connection, "msg_1")
        settle(connection, "msg_1", Attempt(OutboxState.SENT), 1.25)
    return path


def test_the_running_gateway_is_asked_and_each_step_has_a_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json({"traces": [TRACE, TRACE], "isLogComplete": False})) as api:
        assert trace("a/b") == 0
    assert [asked.path for asked in api.asked] == ["/api/trace/a%2Fb"]
    text = capsys.readouterr().out
    assert text.count("🧭 r: done, 125 s in all\n   session s\n") == 2
    assert re.search(r":05\.000 +accepted +Accepted\n", text)
    assert re.search(r":07\.500 +\+2\.5 s +ended +It�\[31m ended\n", text)
    assert "⚠️ The log is too long" in text


def test_as_json_it_is_what_the_gateway_answers(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json({"traces": [TRACE], "isLogComplete": True})):
        assert trace("r", as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "traces": [TRACE], "isLogComplete": True}


def test_where_no_gateway_runs_the_files_are_read(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = database.read_bytes()
    assert trace("msg_1") == 0
    text = capsys.readouterr().out
    assert "🧭 msg_1: sent, 250 ms in all" in text
    assert "msg_1 was sent to telegram at attempt 1" in text
    assert database.read_bytes() == before
    assert trace("msg_2") == 1
    assert "No message has the id msg_2" in capsys.readouterr().err


def test_where_there_is_nothing_at_all_that_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trace("x", as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["error"] == "No message has the id x."
    assert trace(" ") == 1
    assert not (home / ".xopc" / "xopc.db").exists()


def test_a_database_of_an_older_version_is_told_with_a_cure(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("DROP INDEX outbox_by_run")
        connection.execute("ALTER TABLE outbox DROP COLUMN run_id")
    with pytest.raises(XopcError, match="may be of an older version"):
        trace("msg_1")
