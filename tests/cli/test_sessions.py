"""`xopc sessions`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gateway import TOKEN
from tests.fakes.scripted_api import Json, serving
from xopc.cli.sessions import delete, list_sessions, show
from xopc.client.http import RefusedError
from xopc.contracts.errors import Failure, XopcError

KEY = "main:webchat:default:direct:default"


def then(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def session(key: str = KEY, name: str | None = None, messages: int = 2) -> dict[str, Any]:
    return {
        "key": key,
        "name": name,
        "status": "active",
        "tags": [],
        "createdAt": then(7300),
        "updatedAt": then(200),
        "lastAccessedAt": then(200),
        "messageCount": messages,
        "estimatedTokens": 40,
        "compactedCount": 0,
        "sourceChannel": "webchat",
        "sourceChatId": "default",
        "routing": {
            "agentId": "main",
            "source": "webchat",
            "accountId": "default",
            "peerKind": "direct",
            "peerId": "default",
            "threadId": None,
        },
        "model": None,
    }


def message(role: str, content: str, **more: object) -> dict[str, Any]:
    return {
        "seq": 1,
        "role": role,
        "content": content,
        "timestamp": then(200),
        "tool_call_id": None,
        "tool_calls": [],
        "toolName": None,
        "isError": False,
        "name": None,
        "runId": None,
        "model": None,
        "usage": None,
        **more,
    }


def page(*items: dict[str, Any], total: int | None = None) -> Json:
    count = len(items) if total is None else total
    return Json({"items": items, "total": count, "limit": 50, "offset": 0, "hasMore": count > len(items)})


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_sessions_are_listed_in_columns(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = "coder:telegram:default:group:-100123"
    with serving(page(session(name="About\n tea"), session(long, messages=120))) as api:
        assert list_sessions() == 0
    assert lines(capsys) == [
        "KEY                                   MESSAGES  LAST USED  NAME",
        "main:webchat:default:direct:default   2         3 min ago  About tea",
        "coder:telegram:default:group:-100123  120       3 min ago",
    ]
    (asked,) = api.asked
    assert (asked.method, asked.path) == ("GET", "/api/sessions?limit=50")
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"


def test_a_list_is_narrowed_by_the_gateway(home: Path) -> None:
    with serving(page()) as api:
        list_sessions(channel="telegram", agent_id="coder", search="tea & co", limit=5)
    assert api.asked[0].path == "/api/sessions?channel=telegram&agentId=coder&search=tea+%26+co&limit=5"


def test_a_list_that_is_not_all_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page(session(), total=7)):
        list_sessions(limit=1)
    assert lines(capsys)[-1] == "1 of 7. See more with --limit."


def test_no_sessions_are_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page()):
        assert list_sessions() == 0
    assert lines(capsys) == ["No sessions found"]


def test_as_json_it_is_what_the_gateway_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page(session()), Json({"session": {"odd": 1}})):
        assert list_sessions(as_json=True) == 0
        assert json.loads(capsys.readouterr().out)["items"][0]["key"] == KEY
        assert show(KEY, as_json=True) == 0
        assert json.loads(capsys.readouterr().out) == {"session": {"odd": 1}}


def test_a_session_is_shown_with_who_said_what(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = {"id": "1", "name": "current_time", "arguments": '{"zone": "UTC"}'}
    messages = [
        message("user", "What time is it?", name="Ana"),
        message("assistant", "", tool_calls=[call]),
        message("tool", "no\nzone", toolName="current_time", isError=True),
        message("assistant", "I do not\nknow.\x1b[2J"),
        message("assistant", "Look:", tool_calls=[call]),
    ]
    with serving(Json({"session": {**session(messages=5), "messages": messages}})) as api:
        assert show(KEY, limit=5) == 0
    assert lines(capsys) == [
        f"📜 {KEY}: 5 messages, last used 3 min ago",
        "",
        "user Ana, 3 min ago:",
        "What time is it?",
        "",
        "assistant, 3 min ago:",
        '⚙ current_time {"zone": "UTC"}',
        "",
        "tool current_time (failed), 3 min ago:",
        "no zone",
        "",
        "assistant, 3 min ago:",
        "I do not",
        "know.�[2J",
        "",
        "assistant, 3 min ago:",
        "Look:",
        '⚙ current_time {"zone": "UTC"}',
    ]
    assert api.asked[0].path == "/api/sessions/main%3Awebchat%3Adefault%3Adirect%3Adefault?limit=5"


@pytest.mark.parametrize("key", ["../../config", "a/b?c#d", "ü"])
def test_a_key_stays_one_segment_of_the_path(home: Path, key: str) -> None:
    with serving(Json({"deleted": True})) as api:
        delete(key)
    assert api.asked[0].path.count("/") == 3
    assert not {"?", "#"} & set(api.asked[0].path)


def test_a_session_is_deleted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json({"deleted": True}), Json({"deleted": True})) as api:
        assert delete(KEY) == 0
        assert lines(capsys) == [f"✅ Session deleted: {KEY}"]
        assert delete(KEY, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "deleted": True}
    assert api.asked[0].method == "DELETE"


def test_a_session_that_is_not_there_is_told(home: Path) -> None:
    missing = Json({"error": {"code": "SESSION_NOT_FOUND", "message": "There is no session with this key."}}, 404)
    with serving(missing), pytest.raises(RefusedError, match="There is no session with this key") as caught:
        show(KEY)
    assert caught.value.failure is Failure.SESSION_NOT_FOUND


def test_without_a_gateway_that_is_said(home: Path) -> None:
    with pytest.raises(XopcError, match="Gateway is not running"):
        list_sessions()
