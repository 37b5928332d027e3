from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.scripted_api import Json, serving
from xopc.cli.secrets.reloading import reload
from xopc.client.http import RefusedError
from xopc.contracts.errors import XopcError


def answer(warnings: int = 0, hot: tuple[str, ...] = (), restart: tuple[str, ...] = ()) -> Json:
    return Json({"ok": True, "payload": {"warningCount": warnings, "hot": list(hot), "restart": list(restart)}})


def error(status: int, code: str, message: str) -> Json:
    return Json({"error": {"code": code, "message": message}}, status)


def test_what_took_effect_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(answer(1, ("providers.openai", "gateway.auth.token"), ("gateway.x",))) as api:
        assert reload() == 0
    assert [(asked.method, asked.path) for asked in api.asked] == [("POST", "/api/secrets/reload")]
    assert capsys.readouterr().out.splitlines() == [
        "✅ The secrets were looked up again.",
        "   In effect: providers.openai, gateway.auth.token",
        "   After a restart: gateway.x",
        "⚠️  1 warning. See: xopc gateway logs",
    ]


def test_that_nothing_has_changed_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(answer(2)):
        assert reload() == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "   None of those in xopc.json has changed.",
        "⚠️  2 warnings. See: xopc gateway logs",
    ]


def test_json_is_what_the_gateway_answers(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(answer()):
        assert reload(as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["payload"]["warningCount"] == 0


def test_why_those_of_before_stay_is_told(home: Path) -> None:
    with serving(error(503, "UNAVAILABLE", "The secrets of before stay in force.")), pytest.raises(RefusedError) as why:
        reload()
    assert why.value.message == "The secrets of before stay in force."


def test_to_a_gateway_that_has_the_token_of_before_still_a_signal_is_the_way(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(error(401, "UNAUTHORIZED", "Wrong credential.")):
        assert reload() == 1
    told = capsys.readouterr().err
    assert "Wrong credential" in told
    assert "kill -HUP " in told


def test_without_a_gateway_it_says_how_to_start_one(home: Path) -> None:
    with pytest.raises(XopcError, match="xopc gateway"):
        reload()
