"""`xopc health`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.scripted_api import Json, serving
from xopc.cli.gateway.health import health
from xopc.client.http import NoAnswerError
from xopc.contracts.errors import XopcError


def answer(status: str = "healthy", **more: object) -> dict[str, Any]:
    body: dict[str, Any] = {"status": status, "service": "xopc-gateway", "version": "0.1.0", "pid": 4100}
    body |= {"uptime": 183, "problems": []}
    return {**body, **more}


def test_one_that_serves_is_told_in_a_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json(answer())) as api:
        assert health() == 0
    assert capsys.readouterr().out == "✅ healthy (version 0.1.0, pid 4100, up 3 min)\n"
    assert api.asked[0].path == "/api/health"
    assert "authorization" not in api.asked[0].headers or api.asked[0].headers["authorization"].startswith("Bearer ")


def test_one_with_a_problem_serves_too_and_names_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json(answer("degraded", problems=["disk"]))):
        assert health() == 0
    said = capsys.readouterr().out
    assert said == "⚠️  degraded (version 0.1.0, pid 4100, up 3 min)\n⚠️  disk: see xopc status\n"


def test_one_that_stops_does_not_serve(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json(answer("stopping"), status=503)):
        assert health() == 1
    assert capsys.readouterr().out.startswith("❌ stopping (")


def test_json_is_what_the_gateway_says(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json(answer())):
        assert health(as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == answer()


def test_another_gateway_is_asked_without_a_credential(home: Path) -> None:
    with serving(Json(answer()), is_gateway=False) as api:
        assert health(url=api.url) == 0
    assert "authorization" not in api.asked[0].headers


def test_where_none_runs_or_something_else_answers_it_is_a_failure(home: Path) -> None:
    with pytest.raises(XopcError, match="Gateway is not running"):
        health()
    with serving(Json({"status": "ok"}), is_gateway=False) as api, pytest.raises(NoAnswerError, match="not an xopc"):
        health(url=api.url)
