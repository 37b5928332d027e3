"""`xopc inbox`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gateway import TOKEN
from tests.fakes.scripted_api import Json, serving
from xopc.cli.inbox import delete, list_messages, retry
from xopc.client.http import RefusedError
from xopc.contracts.errors import XopcError
from xopc.contracts.messages import InboxState

THEN = (datetime.now(UTC) - timedelta(seconds=7300)).isoformat()


def message(**more: object) -> dict[str, Any]:
    return {
        "runId": "run-1",
        "sessionKey": "main:main:default:dm:main",
        "channel": "telegram",
        "accountId": "default",
        "chatId": "-100123",
        "threadId": None,
        "sender": "Ada",
        "content": "Lunch\nat noon?",
        "state": "parked",
        "deliver": True,
        "acceptedAt": THEN,
        "attempts": 3,
        "lastError": "The gateway's process died in the middle of it.",
        "parkedAt": THEN,
        **more,
    }


def page(*items: dict[str, Any], more: bool = False) -> Json:
    return Json({"items": items, "limit": 50, "hasMore": more, "nextCursor": "0_1" if more else None})


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_parked_messages_are_listed_with_their_errors(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page(message())) as api:
        assert list_messages() == 0
    assert lines(capsys) == [
        "run-1  2 h ago, 3 attempts",
        "   From: telegram, account default, chat -100123",
        "   Session: main:main:default:dm:main",
        "   Text: Lunch at noon?",
        "   Error: The gateway's process died in the middle of it.",
        "💡 Try one again: xopc inbox retry RUN",
    ]
    assert api.asked[0].path == "/api/inbox?state=parked&limit=50"
    assert api.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_those_of_another_state_are_listed_with_what_is_known(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = message(state="waiting", attempts=0, lastError=None, threadId="42", parkedAt=None)
    with serving(page(waiting, more=True)) as api:
        assert list_messages(state=InboxState.WAITING, limit=1) == 0
    assert lines(capsys) == [
        "run-1  2 h ago",
        "   From: telegram, account default, chat -100123, thread 42",
        "   Session: main:main:default:dm:main",
        "   Text: Lunch at noon?",
        "There are more. See them with --limit.",
    ]
    assert api.asked[0].path == "/api/inbox?state=waiting&limit=1"


def test_an_error_is_one_short_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page(message(lastError="\x1b[31m" + "x" * 1000))):
        list_messages()
    error = lines(capsys)[4]
    assert error.startswith("   Error: �[31mxxx")
    assert len(error) < 220


def test_a_message_that_cannot_be_read_is_listed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = dict.fromkeys(("channel", "accountId", "chatId", "threadId", "sender", "content"))
    with serving(page(message(**nothing))):
        list_messages()
    assert lines(capsys)[1:3] == ["   Session: main:main:default:dm:main", "   Text: It cannot be read."]


def test_nothing_to_list_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page()):
        assert list_messages() == 0
    assert lines(capsys) == ["No parked messages"]


def test_as_json_it_is_what_the_gateway_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page(message())):
        assert list_messages(as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["items"][0]["runId"] == "run-1"


def test_a_parked_letter_is_tried_again(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json({"retried": True}), Json({"retried": True})) as api:
        assert retry("run-1") == 0
        assert lines(capsys) == ["✅ Message is answered again: run-1"]
        assert retry("run-1", as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "retried": True}
    assert (api.asked[0].method, api.asked[0].path) == ("POST", "/api/inbox/run-1/retry")


def test_a_parked_letter_is_deleted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json({"deleted": True}), Json({"deleted": True})) as api:
        assert delete("run/1") == 0
        assert lines(capsys) == ["✅ Message deleted: run/1"]
        assert delete("run-1", as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "deleted": True}
    assert [(asked.method, asked.path) for asked in api.asked] == [
        ("DELETE", "/api/inbox/run%2F1"),
        ("DELETE", "/api/inbox/run-1"),
    ]


def test_what_is_not_parked_is_told(home: Path) -> None:
    missing = Json({"error": {"code": "NOT_FOUND", "message": "There is no parked message with this id."}}, 404)
    with serving(missing), pytest.raises(RefusedError, match="There is no parked message"):
        retry("run-2")


def test_without_a_gateway_that_is_said(home: Path) -> None:
    with pytest.raises(XopcError, match="Gateway is not running"):
        list_messages()
