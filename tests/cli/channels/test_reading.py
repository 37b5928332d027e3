"""`xopc channels list` and `status`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gateway import TOKEN
from tests.fakes.scripted_api import Json, serving
from xopc.cli.channels.reading import list_channels, status

BOT_TOKEN = "123456:invented-token-of-the-tests"


@pytest.fixture
def configured(home: Path) -> Path:
    telegram = {
        "botToken": BOT_TOKEN,
        "dmPolicy": "open",
        "apiRoot": "http://127.0.0.1:9",
        "accounts": {"work": {"botToken": BOT_TOKEN}, "old": {"enabled": False, "botToken": BOT_TOKEN}},
    }
    path = home / ".xopc" / "xopc.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"gateway": {"auth": {"token": TOKEN}}, "channels": {"telegram": telegram}}))
    return home


def node(name: str, state: str = "running", *children: dict[str, Any], error: str | None = None) -> dict[str, Any]:
    since = "2026-01-01T12:00:00.000Z"
    return {"name": name, "state": state, "since": since, "restarts": 0, "lastError": error, "children": [*children]}


def tree(*accounts: dict[str, Any]) -> Json:
    return Json(node("gateway", "running", node("generation", "running", node("channels", "running", *accounts))))


@pytest.mark.usefixtures("configured")
def test_what_is_set_up_is_listed_without_a_gateway(capsys: pytest.CaptureFixture[str]) -> None:
    assert list_channels() == 0
    out = capsys.readouterr().out
    assert out.splitlines()[1:] == [
        "webchat   default  enabled   whoever has the token",
        "telegram  default  enabled   open",
        "telegram  work     enabled   open",
        "telegram  old      disabled  open",
    ]
    assert BOT_TOKEN not in out
    list_channels(as_json=True)
    first = {"channel": "webchat", "account": "default", "enabled": True, "private": "whoever has the token"}
    assert json.loads(capsys.readouterr().out)["items"][0] == first


@pytest.mark.usefixtures("configured")
def test_one_that_is_not_connected_is_told_with_its_error(capsys: pytest.CaptureFixture[str]) -> None:
    broken = node("telegram:work", "backing-off", error="Telegram says 401: Unauthorized")
    with serving(tree(node("telegram:default"), broken)):
        assert status() == 1
    rows = [line.split(maxsplit=4) for line in capsys.readouterr().out.splitlines()[1:]]
    assert [row[:3] for row in rows] == [
        ["webchat", "default", "running"],
        ["telegram", "default", "running"],
        ["telegram", "work", "backing-off"],
        ["telegram", "old", "disabled"],
    ]
    assert rows[2][4].endswith("d  Telegram says 401: Unauthorized") or rows[2][4].endswith("401: Unauthorized")


@pytest.mark.usefixtures("configured")
def test_all_is_well_where_all_that_is_enabled_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(tree(node("telegram:default"), node("telegram:work"))):
        assert status(as_json=True) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    assert [item["state"] for item in answer["items"]] == ["running", "running", "running", "disabled"]


@pytest.mark.usefixtures("configured")
def test_an_account_that_the_gateway_does_not_know_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(tree(node("telegram:default"))):
        assert status() == 1
    assert "not running" in capsys.readouterr().out


@pytest.mark.usefixtures("configured")
def test_a_platform_that_cannot_be_reached_is_told_by_the_probe(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(tree(node("telegram:default"), node("telegram:work"))):
        assert status(probe=True) == 1
    out = capsys.readouterr().out
    assert out.count("Telegram cannot be reached") == 2
    assert BOT_TOKEN not in out
