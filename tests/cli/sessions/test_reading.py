"""`xopc sessions list`, `show`, `stats` and `chats`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.sessions.bodies import KEY, detail, message, session, then
from tests.fakes.gateway import TOKEN
from tests.fakes.scripted_api import Json, serving
from xopc.cli.sessions.reading import chats, list_sessions, show, stats
from xopc.client.http import RefusedError
from xopc.contracts.api.sessions import SessionStatus
from xopc.contracts.errors import Failure, XopcError

PAGED = {"limit": 50, "hasMore": False, "nextBefore": None}


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
        "KEY                                   STATUS  MESSAGES  LAST USED  NAME",
        "main:webchat:default:direct:default   active  2         3 min ago  About tea",
        "coder:telegram:default:group:-100123  active  120       3 min ago",
    ]
    (asked,) = api.asked
    assert (asked.method, asked.path) == ("GET", "/api/sessions?limit=50")
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"


def test_a_list_is_narrowed_by_the_gateway(home: Path) -> None:
    with serving(page(), page()) as api:
        list_sessions(channel="telegram", agent_id="coder", search="tea & co", limit=5)
        list_sessions(status=[SessionStatus.IDLE, SessionStatus.PINNED], tag=["a", "b c"])
    assert api.asked[0].path == "/api/sessions?channel=telegram&agentId=coder&search=tea+%26+co&limit=5"
    assert api.asked[1].path == "/api/sessions?status=idle%2Cpinned&tags=a%2Cb+c&limit=50"


def test_a_list_that_is_not_all_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page(session(), total=7)):
        list_sessions(limit=1)
    assert lines(capsys)[-1] == "1 of 7. See more with --limit."


def test_no_sessions_are_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(page()):
        assert list_sessions() == 0
    assert lines(capsys) == ["No sessions"]


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
    with serving(Json({"session": detail(session(messages=5), *messages), **PAGED})) as api:
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


def test_what_is_known_of_a_session_stands_above_its_messages(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = {**detail(session(name="About\n tea")), "tags": ["a", "b"], "activeRun": "run-1"}
    with serving(Json({"session": known, **PAGED})):
        assert show(KEY) == 0
    assert lines(capsys) == [
        f"📜 {KEY}: 2 messages, last used 3 min ago",
        "   About tea",
        "   Tags: a, b",
        "   The agent is at work here.",
    ]


def test_sums_are_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    channel = {"channel": "telegram", "agentId": "main", "sessions": 8, "messages": 400}
    sums = {"total": 12, "active": 3, "idle": 7, "archived": 1, "pinned": 1, "messages": 480, "turns": 160}
    with serving(Json({**sums, "tokens": 96000, "byChannel": [channel]})) as api:
        assert stats() == 0
    assert lines(capsys) == [
        "12 sessions: 3 active, 7 idle, 1 pinned, 1 archived",
        "480 messages, 160 turns, 96000 tokens",
        "",
        "CHANNEL   AGENT  SESSIONS  MESSAGES",
        "telegram  main   8         400",
    ]
    assert api.asked[0].path == "/api/sessions/stats"


def test_a_session_that_is_not_there_is_told(home: Path) -> None:
    missing = Json({"error": {"code": "SESSION_NOT_FOUND", "message": "There is no session with this key."}}, 404)
    with serving(missing), pytest.raises(RefusedError, match="There is no session with this key") as caught:
        show(KEY)
    assert caught.value.failure is Failure.SESSION_NOT_FOUND


def test_without_a_gateway_that_is_said(home: Path) -> None:
    with pytest.raises(XopcError, match="Gateway is not running"):
        list_sessions()


def test_chats_are_listed_with_their_ids(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chat = {
        "channel": "telegram",
        "chatId": "123456",
        "accountId": "default",
        "peerKind": "dm",
        "peerId": "123456",
        "lastActive": then(7300),
    }
    of_page = {"limit": 50, "offset": 0}
    one = {"chatIds": [chat], **of_page, "hasMore": True}
    none: dict[str, object] = {"chatIds": [], **of_page, "hasMore": False}
    with serving(Json(one), Json(none), Json(none)) as api:
        assert chats(channel="telegram", limit=5) == 0
        assert lines(capsys) == [
            "CHANNEL   ACCOUNT  CHAT    KIND  LAST USED",
            "telegram  default  123456  dm    2 h ago",
            "There are more. See them with --limit.",
        ]
        assert chats() == 0
        assert lines(capsys) == ["No chats"]
        assert chats(as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == none
    assert api.asked[0].path == "/api/sessions/chat-ids?channel=telegram&limit=5"
