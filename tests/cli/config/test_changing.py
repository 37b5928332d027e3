"""`xopc config set` and `unset`."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gateway import TOKEN, running_gateway
from xopc.cli.config.changing import set_, unset
from xopc.contracts.errors import XopcError

AGENTS = [{"id": "main"}, {"id": "helper", "model": "openai/a", "note": "${NOTE}"}]


@pytest.fixture
def path(home: Path) -> Path:
    path = home / ".xopc" / "xopc.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"gateway": {"auth": {"token": TOKEN}}, "agents": {"list": AGENTS}}))
    return path


def content(path: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads(path.read_text())


@pytest.mark.parametrize(
    ("key", "value", "section", "saved"),
    [
        ("gateway.port", "18999", "gateway", 18999),
        ("gateway.corsOrigins", '["https://desk.example.com"]', "gateway", ["https://desk.example.com"]),
        ("commands.restart", "false", "commands", False),
        ("channels.telegram", '{"name": "desk"}', "channels", {"name": "desk"}),
    ],
)
def test_a_value_is_json(path: Path, key: str, value: str, section: str, saved: object) -> None:
    assert set_(key, value) == 0
    assert content(path)[section][key.rpartition(".")[2]] == saved
    assert content(path)["gateway"]["auth"] == {"token": TOKEN}


def test_what_is_no_json_or_cannot_stand_there_is_a_text(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_("channels.telegram.name", "the desk")
    assert capsys.readouterr().out == '✅ channels.telegram.name is "the desk" in ~/.xopc/xopc.json\n'
    set_("channels.telegram.name", "42")
    assert content(path)["channels"]["telegram"]["name"] == "42"


def test_a_secret_comes_by_standard_input_and_is_not_shown(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "another-invented-token-0123456789"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{secret}\n".encode())))
    set_("gateway.auth.token", "-")
    assert content(path)["gateway"]["auth"]["token"] == secret
    assert capsys.readouterr().out == '✅ gateway.auth.token is "***" in ~/.xopc/xopc.json\n'


def test_an_item_of_a_list_changes_and_the_rest_stays_as_it_was_written(path: Path) -> None:
    set_("agents.list[1].name", "Helper")
    assert content(path)["agents"]["list"] == [AGENTS[0], {**AGENTS[1], "name": "Helper"}]
    set_("agents.list.2", '{"id": "third"}')
    unset("agents.list[1].model")
    unset("agents.list[0]")
    assert content(path)["agents"]["list"] == [
        {"id": "helper", "note": "${NOTE}", "name": "Helper"},
        {"id": "third"},
    ]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("gateway.port", "many", "$.gateway.port: must be a whole number, not a text of length 4"),
        ("gateway.port", "0", "$.gateway.port: must be 1 to 65535"),
        ("gateway.prt", "1", '$.gateway.prt: unknown key; did you mean "port"?'),
        ("agents.list[7].id", "x", "$.agents.list[7]: there is no such item, of 2"),
        ("gateway[0]", "1", "$.gateway[0]: there is no list"),
    ],
)
def test_what_a_start_would_refuse_changes_nothing(path: Path, key: str, value: str, message: str) -> None:
    before = path.read_bytes()
    with pytest.raises(XopcError) as caught:
        set_(key, value)
    assert caught.value.message == message
    assert path.read_bytes() == before


def test_what_is_unset_is_told_with_what_that_means(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_("gateway.port", "18999")
    capsys.readouterr()
    unset("gateway.port")
    said = "✅ gateway.port is not set any more, which means 18790 in ~/.xopc/xopc.json\n"
    assert capsys.readouterr().out == said
    unset("gateway.port")
    assert capsys.readouterr().out == "✅ gateway.port is as it was in ~/.xopc/xopc.json\n"
    assert "port" not in content(path)["gateway"]


def test_null_is_the_same_as_to_unset(path: Path) -> None:
    set_("commands.restart", "false")
    set_("commands.restart", "null")
    assert content(path).get("commands", {}) == {}


def test_comments_that_go_are_told(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text("// mine\n{}")
    set_("commands.restart", "false")
    assert capsys.readouterr().err == "⚠️  The comments of the file stand in xopc.json.bak now.\n"
    assert path.with_name("xopc.json.bak").read_text() == "// mine\n{}"


def test_without_a_file_one_is_made(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set_("gateway.port", "18999", as_json=True) == 0
    path = home / ".xopc" / "xopc.json"
    assert json.loads(capsys.readouterr().out) == {"ok": True, "changed": True, "path": str(path), "warnings": []}
    assert content(path) == {"gateway": {"port": 18999}}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_gateway_that_does_not_look_by_itself_has_to_be_restarted(
    home: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_("gateway.reload.mode", "off")
    with running_gateway(home):
        capsys.readouterr()
        set_("commands.restart", "false")
        assert capsys.readouterr().out.endswith("💡 The running gateway takes it after: xopc gateway restart\n")
