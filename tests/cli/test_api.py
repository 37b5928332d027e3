"""`xopc api`."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from tests.cli.test_main import run
from tests.fakes.gateway import TOKEN
from tests.fakes.scripted_api import Json, Stream, frame, serving
from xopc.cli.api import api
from xopc.cli.main import build_app
from xopc.client.http import RefusedError
from xopc.contracts.errors import XopcError


def test_the_answer_is_printed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Json({"a": 1})) as script:
        assert api("GET", "/api/logs?limit=1") == 0
    assert json.loads(capsys.readouterr().out) == {"a": 1}
    asked = script.asked[0]
    assert (asked.method, asked.path, asked.body) == ("GET", "/api/logs?limit=1", None)
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"


def test_an_object_is_sent(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"reason": "from stdin"}')))
    with serving(Json({}), Json({})) as script:
        api("POST", "/api/restart", data='{"reason": "a key"}')
        api("POST", "/api/restart", data="-")
    assert [asked.body for asked in script.asked] == [{"reason": "a key"}, {"reason": "from stdin"}]


def test_what_is_no_json_is_printed_as_it_comes(home: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    frames = (frame(1, "ping"), frame(2, "ping"))
    with serving(Stream(frames)):
        assert api("GET", "/api/events") == 0
    assert capfdbinary.readouterr().out == b"".join(frames)


@pytest.mark.parametrize(("data", "what"), [("{", "--data is not JSON: "), ("[1]", "--data must be a JSON object")])
def test_what_is_no_object_is_not_sent(home: Path, data: str, what: str) -> None:
    with serving() as script, pytest.raises(XopcError, match=what):
        api("POST", "/api/restart", data=data)
    assert script.asked == []


def test_what_the_gateway_refuses_is_told_in_its_words(home: Path) -> None:
    error = {"error": {"code": "INVALID_REQUEST", "message": "It is not so."}}
    with serving(Json(error, 400)), pytest.raises(RefusedError, match=r"It is not so\."):
        api("GET", "/api/status")


def test_the_command_line_takes_a_hyphen_for_standard_input(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"reason": "from stdin"}')))
    with serving(Json({})) as script:
        build_app()(["api", "POST", "/api/restart", "--data", "-"], exit_on_error=False, print_error=False)
    assert [asked.body for asked in script.asked] == [{"reason": "from stdin"}]


@pytest.mark.parametrize("words", ["GET api", "FETCH /api", "GET", "GET http://example.com/"])
def test_what_is_no_request_is_a_mistake_in_usage(words: str) -> None:
    done = run("api", *words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert "See: xopc api --help" in done.stderr
