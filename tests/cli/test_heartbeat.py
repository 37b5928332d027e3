"""`xopc heartbeat`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.scripted_api import Json, serving
from xopc.cli.heartbeat import show, status, trigger
from xopc.client.http import RefusedError


def at(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def state(**more: object) -> dict[str, Any]:
    return {
        "enabled": True,
        "intervalMs": 1_800_000,
        "target": "telegram",
        "targetChatId": "-100123",
        "nextAt": at(930),
        "last": {
            "begunAt": at(-7300),
            "reason": "cron:a1",
            "sessionKey": "heartbeat:main",
            "runId": "r",
            "state": "done",
        },
        "skipped": None,
        **more,
    }


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_the_status_tells_the_last_and_the_next_beat(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json(state())) as api:
        assert status() == 0
    assert lines(capsys) == [
        "Heartbeat: every 30 min",
        "   Tells: telegram, chat -100123",
        "   Next: in 15 min",
        "   Last: 2 h ago (cron:a1), done",
    ]
    assert api.asked[0].path == "/api/heartbeat"


def test_what_kept_it_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    skipped = {"at": at(-61), "reason": "interval", "why": "HEARTBEAT.md asks for nothing"}
    with serving(Json(state(target=None, last=None, nextAt=at(-1), skipped=skipped))):
        assert status() == 0
    assert lines(capsys) == [
        "Heartbeat: every 30 min",
        "   Tells: nobody (gateway.heartbeat.target)",
        "   Next: now",
        "   Last: never",
        "   Skipped: 1 min ago (interval): HEARTBEAT.md asks for nothing",
    ]


def test_a_disabled_one_has_no_next_beat(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = {**state()["last"], "state": None, "reason": "\x1b[31mred"}
    with serving(Json(state(enabled=False, nextAt=None, last=last))):
        assert status() == 0
    assert lines(capsys) == [
        "Heartbeat: disabled",
        "   Tells: telegram, chat -100123",
        "   Last: 2 h ago (�[31mred)",
    ]


def test_as_json_it_is_what_the_gateway_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json(state())):
        assert status(as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["target"] == "telegram"


def test_a_beat_is_asked_for_with_its_reason(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json({"scheduled": True}), Json({"scheduled": True})) as api:
        assert trigger(reason="lunch") == 0
        assert lines(capsys) == ["✅ Heartbeat is scheduled", "💡 See what came of it: xopc heartbeat status"]
        assert trigger(as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "scheduled": True}
    assert [(asked.method, asked.path, asked.body) for asked in api.asked] == [
        ("POST", "/api/heartbeat/trigger", {"reason": "lunch"}),
        ("POST", "/api/heartbeat/trigger", {"reason": None}),
    ]


def test_a_refusal_is_told(home: Path) -> None:
    refusal = Json({"error": {"code": "CONFLICT", "message": "There is no heartbeat."}}, 409)
    with serving(refusal), pytest.raises(RefusedError, match="There is no heartbeat"):
        trigger()


@pytest.mark.parametrize("content", ["- Call Ann\x1b[2J", "- Call Ann\x1b[2J\n"])
def test_its_file_is_shown_without_what_moves_the_cursor(
    home: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    with serving(Json({"ok": True, "payload": {"content": content, "file": "HEARTBEAT.md"}})) as api:
        assert show() == 0
    assert capsys.readouterr().out == "- Call Ann�[2J\n"
    assert api.asked[0].path == "/api/workspace/heartbeat-md"


def test_where_there_is_no_file_that_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = Json({"ok": True, "payload": {"content": "", "file": "HEARTBEAT.md"}})
    with serving(nothing, nothing):
        assert show() == 0
        assert lines(capsys)[0] == "There is no HEARTBEAT.md, or it is empty."
        assert show(as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["payload"]["content"] == ""
