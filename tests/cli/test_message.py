"""`xopc message`."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.gateway import TOKEN
from tests.fakes.scripted_api import End, Json, Stream, serving
from xopc.cli import message as module
from xopc.cli.message import send

XOPC = Path(sys.executable).with_name("xopc")
QUEUED = Json({"status": "ok", "message_id": "msg_1"})
STOPPING = Json({"error": {"code": "UNAVAILABLE", "message": "The gateway restarts."}}, 503)


def test_a_message_is_handed_to_the_gateway(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(QUEUED) as api:
        assert send("Lunch?", channel="telegram", chat="-100123", account="work") == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("✅ Message accepted: msg_1\n", "")
    (asked,) = api.asked
    assert (asked.method, asked.path) == ("POST", "/api/message")
    assert asked.body == {"channel": "telegram", "chat_id": "-100123", "content": "Lunch?", "accountId": "work"}
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"


def test_without_an_account_the_gateway_chooses(home: Path) -> None:
    with serving(QUEUED) as api:
        send("Lunch?", channel="telegram", chat="1")
    assert "accountId" not in api.asked[0].body


def test_the_text_comes_from_standard_input(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))
    with serving(QUEUED) as api:
        send("-", channel="telegram", chat="1")
    assert api.asked[0].body["content"] == "a\nb"


def test_as_json_the_answer_has_its_key(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(QUEUED) as api:
        assert send("Lunch?", channel="telegram", chat="1", idempotency_key="lunch-4711", as_json=True) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {"ok": True, "status": "ok", "message_id": "msg_1", "idempotencyKey": "lunch-4711"}
    assert api.asked[0].headers["idempotency-key"] == "lunch-4711"


def test_over_a_restart_it_is_asked_again_with_the_same_key(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Stream((), End.BREAK), STOPPING, QUEUED) as api:
        assert send("Lunch?", channel="telegram", chat="1") == 0
    assert capsys.readouterr().out == "✅ Message accepted: msg_1\n"
    keys = [asked.headers["idempotency-key"] for asked in api.asked]
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_each_message_has_a_key_of_its_own(home: Path) -> None:
    with serving(QUEUED, QUEUED) as api:
        send("Lunch?", channel="telegram", chat="1")
        send("Lunch?", channel="telegram", chat="1")
    assert len({asked.headers["idempotency-key"] for asked in api.asked}) == 2


def test_a_refused_message_is_told_and_not_repeated(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused = Json({"error": {"code": "CHANNEL_NOT_FOUND", "message": "There is no such channel."}}, 404)
    with serving(refused) as api:
        assert send("Lunch?", channel="fax", chat="1") == 1
        assert len(api.asked) == 1
    assert capsys.readouterr().err == "❌ There is no such channel.\n"


def test_when_nobody_answers_the_key_is_told(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.3)
    with serving(*[STOPPING] * 10):
        assert send("Lunch?", channel="telegram", chat="1", idempotency_key="lunch-4711") == 1
        error = capsys.readouterr().err
        assert error.startswith("❌ ")
        assert error.endswith("💡 Ask again without sending it twice: --idempotency-key lunch-4711\n")
        assert send("Lunch?", channel="telegram", chat="1", idempotency_key="lunch-4711", as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["idempotencyKey"] == "lunch-4711"


def test_without_a_gateway_that_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert send("Lunch?", channel="telegram", chat="1") == 1
    assert capsys.readouterr().err.startswith("❌ Gateway is not running. Start it with: xopc gateway\n")


@pytest.mark.parametrize("key", ["", " ", "a\nb", "ä"])
def test_a_key_that_no_header_can_carry_is_a_usage_error(home: Path, key: str) -> None:
    command = [XOPC, "message", "send", "--channel", "telegram", "--chat", "1", "--idempotency-key", key, "hi"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "printable characters of ASCII" in done.stderr


def test_the_id_of_a_group_may_be_negative(home: Path) -> None:
    with serving(QUEUED) as api:
        command = [XOPC, "message", "send", "--channel", "telegram", "--chat", "-100123", "- one\n- two"]
        subprocess.run(command, capture_output=True, timeout=30, check=True)
    assert (api.asked[0].body["chat_id"], api.asked[0].body["content"]) == ("-100123", "- one\n- two")
