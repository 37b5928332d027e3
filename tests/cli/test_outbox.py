"""`xopc outbox`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gateway import TOKEN
from tests.fakes.scripted_api import Json, serving
from xopc.cli.outbox import delete, list_messages, retry
from xopc.client.http import RefusedError
from xopc.contracts.errors import XopcError
from xopc.contracts.messages import OutboxState

THEN = (datetime.now(UTC) - timedelta(seconds=7300)).isoformat()


def letter(**more: object) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "channel": "telegram",
        "accountId": "default",
        "chatId": "-100123",
        "threadId": None,
        "content": "Lunch\nat noon?",
        "state": "dead",
        "createdAt": THEN,
        "attempts": 8,
        "nextAttemptAt": None,
        "partsSent": 0,
        "lastError": "Bad Request: chat not found",
        "possibleDuplicate": False,
        **more,
    }


def page(*items: dict[str, Any], more: bool = False) -> Json:
    return Json({"items": items, "limit": 50, "offset": 0, "hasMore": more})


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_dead_letters_are_listed_with_their_errors(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page(letter())) as api:
        assert list_messages() == 0
    assert lines(capsys) == [
        "msg_1  2 h ago, 8 attempts",
        "   To: telegram, account default, chat -100123",
        "   Text: Lunch at noon?",
        "   Error: Bad Request: chat not found",
        "💡 Try one again: xopc outbox retry ID",
    ]
    assert api.asked[0].path == "/api/outbound?state=dead&limit=50"
    assert api.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_those_of_another_state_are_listed_with_what_is_known(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pending = letter(state="pending", attempts=1, lastError=None, threadId="42", possibleDuplicate=True)
    with serving(page(pending, more=True)) as api:
        assert list_messages(state=OutboxState.PENDING, limit=1) == 0
    assert lines(capsys) == [
        "msg_1  2 h ago, 1 attempt",
        "   To: telegram, account default, chat -100123, thread 42",
        "   Text: Lunch at noon?",
        "   It may have arrived: the gateway died while it was being sent.",
        "There are more. See them with --limit.",
    ]
    assert api.asked[0].path == "/api/outbound?state=pending&limit=1"


def test_an_error_of_a_platform_is_one_short_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page(letter(lastError="\x1b[31m" + "x" * 1000))):
        list_messages()
    error = lines(capsys)[3]
    assert error.startswith("   Error: �[31mxxx")
    assert len(error) < 220


def test_nothing_to_list_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page()):
        assert list_messages() == 0
    assert lines(capsys) == ["No dead messages"]


def test_as_json_it_is_what_the_gateway_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page(letter())):
        assert list_messages(as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["items"][0]["id"] == "msg_1"


def test_a_dead_letter_is_tried_again(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json({"retried": True}), Json({"retried": True})) as api:
        assert retry("msg_1") == 0
        assert lines(capsys) == ["✅ Message is sent again: msg_1"]
        assert retry("msg_1", as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "retried": True}
    assert (api.asked[0].method, api.asked[0].path) == ("POST", "/api/outbound/msg_1/retry")


def test_a_dead_letter_is_deleted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json({"deleted": True}), Json({"deleted": True})) as api:
        assert delete("msg/1") == 0
        assert lines(capsys) == ["✅ Message deleted: msg/1"]
        assert delete("msg_1", as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "deleted": True}
    assert [(asked.method, asked.path) for asked in api.asked] == [
        ("DELETE", "/api/outbound/msg%2F1"),
        ("DELETE", "/api/outbound/msg_1"),
    ]


def test_what_is_not_dead_is_told(home: Path) -> None:
    missing = Json({"error": {"code": "NOT_FOUND", "message": "There is no dead letter with this id."}}, 404)
    with serving(missing), pytest.raises(RefusedError, match="There is no dead letter"):
        retry("msg_2")


def test_without_a_gateway_that_is_said(home: Path) -> None:
    with pytest.raises(XopcError, match="Gateway is not running"):
        list_messages()
