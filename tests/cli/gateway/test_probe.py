"""`xopc gateway probe`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gateway import TOKEN, Behaviour, configure, running_gateway, stranger
from tests.fakes.scripted_api import Json, serving
from tests.ports import free_port
from xopc.cli.gateway.probe import probe
from xopc.cli.options import Duration
from xopc.contracts.errors import ConfigError

HEALTH: dict[str, Any] = {
    "status": "healthy",
    "service": "xopc-gateway",
    "version": "0.1.0",
    "pid": 4100,
    "uptime": 183,
}
DETAILS: dict[str, Any] = {"health": HEALTH, "authMode": "token", "configPath": "~/.xopc/xopc.json"}


def refusal(code: str, status: int) -> Json:
    return Json({"error": {"code": code, "message": f"It is {code}."}}, status)


def probe_as_json(capsys: pytest.CaptureFixture[str], code: int, **options: Any) -> Any:  # noqa: ANN401 - JSON
    assert probe(as_json=True, **options) == code
    return json.loads(capsys.readouterr().out)


def test_one_that_lets_us_in_tells_its_version_and_its_configuration(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Json(HEALTH), Json(DETAILS)) as api:
        assert probe() == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith(f"✅ {api.url} answers, in ")
    assert lines == [
        "   Version: 0.1.0 (pid 4100, up 3 min)",
        "   State: healthy",
        "   Token: accepted",
        "   Config: ~/.xopc/xopc.json",
    ]
    assert "authorization" not in api.asked[0].headers
    assert api.asked[1].headers["authorization"] == f"Bearer {TOKEN}"


def test_as_json_it_is_one_object(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json({**HEALTH, "status": "degraded"}), Json(DETAILS)) as api:
        found = probe_as_json(capsys, 0)
    assert found.pop("durationMs") >= 0
    assert [issue["code"] for issue in found.pop("issues")] == ["degraded"]
    assert found == {
        "ok": True,
        "degraded": True,
        "url": api.url,
        "reachable": True,
        "auth": "accepted",
        "version": "0.1.0",
        "status": "degraded",
        "configPath": "~/.xopc/xopc.json",
        "error": None,
    }


@pytest.mark.parametrize(
    ("answer", "auth", "code"),
    [
        (refusal("UNAUTHORIZED", 401), "refused", 1),
        (refusal("FORBIDDEN", 403), "limited", 0),
        (refusal("RATE_LIMITED", 429), "unknown", 1),
        (Json({**DETAILS, "authMode": "none"}), "not-needed", 0),
    ],
)
def test_what_becomes_of_the_token_is_told_and_decides(
    home: Path, capsys: pytest.CaptureFixture[str], answer: Json, auth: str, code: int
) -> None:
    with serving(Json(HEALTH), answer):
        found = probe_as_json(capsys, code)
    assert (found["reachable"], found["auth"], found["ok"]) == (True, auth, code == 0)


def test_a_token_that_is_refused_is_told_with_its_cure(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home):
        assert probe(token="wrong-token-of-the-tests") == 1
    said = capsys.readouterr().out
    assert said.startswith("❌ ")
    assert "   Token: refused\n" in said
    assert "💡 Give the one that it was started with" in said


def test_why_nobody_is_let_in_for_now_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json(HEALTH), refusal("RATE_LIMITED", 429)):
        assert probe() == 1
    assert "   Token: not tried: It is RATE_LIMITED.\n" in capsys.readouterr().out


def test_another_url_is_not_shown_the_token_of_the_configuration(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home, port=free_port())
    with serving(Json(HEALTH), refusal("UNAUTHORIZED", 401), is_gateway=False) as api:
        found = probe_as_json(capsys, 1, url=api.url)
    assert found["auth"] == "missing"
    assert not any("authorization" in request.headers for request in api.asked)


def test_another_url_is_shown_the_token_that_is_given(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json(HEALTH), Json(DETAILS), is_gateway=False) as api:
        assert probe_as_json(capsys, 0, url=api.url, token="given")["auth"] == "accepted"
    assert api.asked[1].headers["authorization"] == "Bearer given"


def test_where_nobody_answers_it_is_told_once_with_a_cure(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    configure(home, port=port)
    assert probe() == 1
    assert capsys.readouterr().out.splitlines() == [
        f"❌ http://127.0.0.1:{port}/api/health: connection refused",
        "💡 Start it with: xopc gateway",
    ]
    assert probe(url=f"http://127.0.0.1:{port}") == 1
    assert capsys.readouterr().out.splitlines()[1:] == ["💡 Look at the URL."]


def test_a_stranger_at_the_port_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with stranger(home) as other:
        configure(home, port=other.port)
        found = probe_as_json(capsys, 1, timeout=Duration(0.2))
    assert (found["reachable"], found["auth"]) == (False, "unknown")
    assert found["error"] == f"http://127.0.0.1:{other.port}/api/health: no answer within 0.2 s"


def test_a_gateway_of_another_configuration_is_named_as_such(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home, Behaviour(locked=False)) as other:
        configure(home, port=other.port)
        found = probe_as_json(capsys, 1)
    assert "other-configuration" in [issue["code"] for issue in found["issues"]]


def test_a_configuration_that_does_not_validate_is_told(home: Path) -> None:
    (home / ".xopc").mkdir()
    (home / ".xopc" / "xopc.json").write_text('{"gateway": {"port": "many"}}')
    with pytest.raises(ConfigError, match=r"\$\.gateway\.port"):
        probe()
