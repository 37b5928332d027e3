"""`xopc models`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xopc.cli.models import list_models, set_model
from xopc.contracts.errors import Failure, XopcError

PROVIDERS = {"box": {"baseUrl": "http://127.0.0.1:11434/v1", "models": [{"id": "small", "contextWindow": 4096}]}}


@pytest.fixture
def state(home: Path) -> Path:
    state = home / ".xopc"
    state.mkdir()
    (state / "models.json").write_text(json.dumps({"providers": PROVIDERS}))
    return state


@pytest.mark.usefixtures("state")
def test_those_that_can_be_asked_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert list_models() == 0
    said = capsys.readouterr()
    assert said.out == (
        "MODEL            NAME     CONTEXT  USED AS\n"
        "box/small        small    4,096    default\n"
        "builtin/offline  Offline  -\n"
    )
    assert said.err == ""


def test_the_chosen_ones_are_marked_and_listed_where_no_file_names_them(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-invented-0123456789")
    model = {"primary": "openai/special", "fallbacks": ["box/small", "gone/x"]}
    (state / "xopc.json").write_text(json.dumps({"agents": {"defaults": {"model": model}}}))
    assert list_models(as_json=True) == 0
    answer = json.loads(capsys.readouterr().out)
    uses = {item["model"]: item["use"] for item in answer["items"]}
    assert uses["openai/special"] == "default"
    assert uses["box/small"] == "fallback 1"
    assert (answer["default"], answer["fallbacks"]) == ("openai/special", ["box/small", "gone/x"])
    assert "gone/x" not in uses
    assert 'no provider "gone" is configured' in answer["warnings"][0]


def test_one_is_chosen_and_the_fallbacks_stay(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = state / "xopc.json"
    path.write_text(json.dumps({"agents": {"defaults": {"model": {"primary": "x/y", "fallbacks": ["a/b"]}}}}))
    assert set_model("box/small") == 0
    assert capsys.readouterr().out == '✅ agents.defaults.model is "box/small" in ~/.xopc/xopc.json\n'
    saved = {"primary": "box/small", "fallbacks": ["a/b"]}
    assert json.loads(path.read_text())["agents"]["defaults"]["model"] == saved


def test_one_that_there_is_not_is_refused(state: Path) -> None:
    with pytest.raises(XopcError, match="does not list it") as caught:
        set_model("box/smal")
    assert caught.value.failure is Failure.NOT_FOUND
    assert not (state / "xopc.json").exists()
