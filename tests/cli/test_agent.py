"""`xopc agent`."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes.gateway import TOKEN
from tests.fakes.scripted_api import End, Json, Stream, announce, frame, serving
from xopc.cli.agent import agent
from xopc.cli.options import Duration

XOPC = Path(sys.executable).with_name("xopc")
RUN = "0b6f9a52-6a70-4a9f-b7de-0a1a5a1f6d11"
ACCEPTED = frame(1, "status", status="accepted", runId=RUN)


def result(number: int, reply: str, status: str = "ok") -> bytes:
    return frame(
        number,
        "result",
        ok=True,
        payload={"status": status, "summary": reply},
        status=status,
        reply=reply,
        session="default",
        sessionKey="main:webchat:default:direct:default",
        runId=RUN,
        usage={"input": 7, "output": 2},
        model="builtin/offline",
    )


HELLO = Stream((ACCEPTED, frame(2, "token", content="Hel"), frame(3, "token", content="lo"), result(4, "Hello")))


def shown(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_the_answer_is_printed_and_the_request_says_who_asks_what(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(HELLO) as api:
        assert agent("hi there", session="tea", agent_id="coder", model="openai/gpt-5") == 0
    assert shown(capsys) == ("Hello\n", "")
    (asked,) = api.asked
    assert (asked.method, asked.path) == ("POST", "/api/agent")
    assert asked.body == {"message": "hi there", "session": "tea", "agentId": "coder", "model": "openai/gpt-5"}
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert len(asked.headers["idempotency-key"]) == 36


def test_what_is_not_given_is_left_to_the_gateway(home: Path) -> None:
    with serving(HELLO) as api:
        agent("hi")
    assert api.asked[0].body == {"message": "hi"}


def test_a_message_comes_from_standard_input(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("Grüße\n".encode())))
    with serving(HELLO) as api:
        agent("-")
    assert api.asked[0].body == {"message": "Grüße"}


def test_tokens_are_printed_before_the_end(home: Path) -> None:
    with (
        serving(Stream((ACCEPTED, frame(2, "token", content="Hel")), End.HANG)),
        subprocess.Popen([XOPC, "agent", "hi"], stdout=subprocess.PIPE) as process,
    ):
        assert process.stdout is not None
        assert os.read(process.stdout.fileno(), 100) == b"Hel"
        process.kill()


def test_without_streaming_there_is_the_answer_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = (ACCEPTED, frame(2, "token", content="Let me look."), frame(3, "message_end"), result(4, "Noon."))
    with serving(Stream(frames)):
        assert agent("hi", no_stream=True) == 0
    assert shown(capsys) == ("Noon.\n", "")


def test_as_json_it_is_the_result(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(HELLO):
        assert agent("hi", as_json=True) == 0
    out, err = shown(capsys)
    answer = json.loads(out)
    assert err == ""
    assert (answer["ok"], answer["status"], answer["reply"], answer["session"]) == (True, "ok", "Hello", "default")
    assert (answer["runId"], answer["usage"]) == (RUN, {"input": 7, "output": 2})
    assert "payload" not in answer


def test_a_refused_request_is_told_and_not_repeated(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused = Json({"error": {"code": "INVALID_REQUEST", "message": "$.agentId: names no enabled agent"}}, 400)
    with serving(refused) as api:
        assert agent("hi", agent_id="nobody") == 1
        assert len(api.asked) == 1
    assert shown(capsys) == ("", "❌ $.agentId: names no enabled agent\n")


def test_without_a_gateway_that_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert agent("hi", as_json=True) == 1
    told = json.loads(shown(capsys)[0])
    assert (told["error"], told["runId"]) == ("Gateway is not running. Start it with: xopc gateway", None)


@pytest.mark.parametrize("no_stream", [True, False])
def test_a_run_that_fails_is_told_with_what_there_was_of_it(
    home: Path, capsys: pytest.CaptureFixture[str], no_stream: bool
) -> None:
    why = frame(3, "error", content="The model does not answer.", error={"code": "AGENT_ERROR", "message": "…"})
    with serving(Stream((ACCEPTED, frame(2, "token", content="Hel"), why, result(4, "Hel", "error")))):
        assert agent("hi", no_stream=no_stream) == 1
    assert shown(capsys) == ("Hel\n", "❌ The model does not answer.\n")


def test_a_run_that_fails_is_told_as_json(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Stream((ACCEPTED, result(2, "", "error")))):
        assert agent("hi", as_json=True) == 1
    told = json.loads(shown(capsys)[0])
    assert (told["ok"], told["status"], told["runId"]) == (False, "error", RUN)
    assert told["error"] == "The agent failed, and did not say why."


def test_a_run_that_somebody_else_stopped_is_no_success(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Stream((ACCEPTED, frame(2, "token", content="Hel"), result(3, "Hel", "aborted")))):
        assert agent("hi") == 1
    assert shown(capsys) == ("Hel\n", "❌ The agent was stopped.\n")


@pytest.mark.parametrize("end", [End.CLOSE, End.BREAK])
def test_after_a_restart_the_run_goes_on_where_it_was(home: Path, capsys: pytest.CaptureFixture[str], end: End) -> None:
    first = Stream((ACCEPTED, frame(2, "token", content="Hel")), end)
    with serving(first, HELLO) as api:
        assert agent("hi") == 0
    assert shown(capsys) == ("Hello\n", "")
    resumed = api.asked[1]
    assert (resumed.path, resumed.body) == ("/api/agent/resume", {"runId": RUN})
    assert "idempotency-key" not in resumed.headers


def test_the_stream_of_another_process_is_read_from_its_beginning(home: Path) -> None:
    first = Stream((ACCEPTED, *(frame(n, "token", content="x") for n in range(2, 50))), End.BREAK)
    with serving(first, HELLO) as api:
        agent("hi")
    assert "last-event-id" not in api.asked[1].headers


def test_a_run_that_is_accepted_more_than_once_is_shown_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twice = (ACCEPTED, frame(2, "status", status="accepted", runId=RUN))
    first = Stream((*twice, frame(3, "token", content="Hel")), End.BREAK)
    with serving(first, Stream((*twice, frame(3, "token", content="Hello"), result(4, "Hello")))):
        assert agent("hi") == 0
    assert shown(capsys) == ("Hello\n", "")


def test_a_gateway_that_is_away_and_comes_back_elsewhere_is_found(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = Json({"error": {"code": "UNAVAILABLE", "message": "The gateway restarts."}}, 503)
    with serving(busy, HELLO, is_gateway=False) as after:
        with serving(Stream((ACCEPTED, frame(2, "token", content="Hel")), End.HANG)) as before:
            command = subprocess.Popen([XOPC, "agent", "hi"], stdout=subprocess.PIPE, text=True)
            while not before.asked:
                time.sleep(0.02)
            announce(after.port)
        out, _ = command.communicate(timeout=20)
    assert (out, command.returncode) == ("Hello\n", 0)
    assert [asked.path for asked in after.asked] == ["/api/agent/resume"] * 2


def test_a_message_that_may_not_have_arrived_is_sent_again_with_the_same_key(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Stream((), End.BREAK), HELLO) as api:
        assert agent("hi") == 0
    assert shown(capsys) == ("Hello\n", "")
    assert [asked.path for asked in api.asked] == ["/api/agent"] * 2
    assert len({asked.headers["idempotency-key"] for asked in api.asked}) == 1


def test_when_the_time_is_over_it_tells_where_the_answer_will_be(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Stream((ACCEPTED, frame(2, "token", content="Hel")), End.HANG)) as api:
        began = time.monotonic()
        assert agent("hi", timeout=Duration(0.5)) == 1
        assert time.monotonic() - began < 5
    out, err = shown(capsys)
    assert out == "Hel\n"
    assert err.startswith("❌ There is no answer after 0.5 s")
    assert "💡 The answer will be in the session: xopc sessions list" in err
    assert [asked.path for asked in api.asked] == ["/api/agent"]


def test_a_run_that_the_gateway_no_longer_knows_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Stream((ACCEPTED,), End.BREAK)):
        assert agent("hi", as_json=True) == 1
    told = json.loads(shown(capsys)[0])
    assert told["runId"] == RUN
    assert told["error"] == "The script has ended."


def test_ctrl_c_stops_the_run_and_ends_with_130(home: Path) -> None:
    hanging = Stream((ACCEPTED, frame(2, "token", content="Hel")), End.HANG)
    with serving(hanging, Json({"ok": True, "payload": {"aborted": True}})) as api:
        out, err, code = _interrupt(b"Hel")
    assert (out, err, code) == (b"\n", b"", 130)
    assert (api.asked[1].path, api.asked[1].body) == ("/api/agent/abort", {"runId": RUN})


def test_ctrl_c_on_a_run_that_cannot_be_stopped_is_told(home: Path) -> None:
    hanging = Stream((ACCEPTED, frame(2, "token", content="Hel")), End.HANG)
    with serving(hanging):
        out, err, code = _interrupt(b"Hel")
    assert (out, code) == (b"\n", 130)
    assert err.decode().startswith("⚠️  The agent could not be stopped: ")


def test_ctrl_c_before_the_message_was_taken_ends_at_once(home: Path) -> None:
    with (
        serving(Stream((), End.HANG)) as api,
        subprocess.Popen([XOPC, "agent", "hi"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
    ):
        while not api.asked:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10) == (b"", b"")
        assert process.returncode == 130
        assert len(api.asked) == 1


def test_on_a_terminal_tools_are_dim_lines(home: Path) -> None:
    tool = frame(2, "tool_start", toolCallId="1", toolName="current_time", args={"zone": "UTC"})
    with serving(Stream((ACCEPTED, tool, frame(3, "token", content="Noon."), result(4, "Noon.")))):
        screen = _on_terminal("agent", "what time is it?")
    assert screen == '\x1b[2m  ⚙ current_time {"zone": "UTC"}\x1b[0m\r\nNoon.\r\n'


def test_nothing_heavy_is_imported(home: Path) -> None:
    code = (
        "import sys; from xopc.cli.main import main; sys.argv[1:] = ['agent', 'hi']; main();"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    with serving(HELLO):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    heavy = {"trio", "quart", "quart_trio", "hypercorn", "structlog", "httpx2", "asyncio", "rich.console"}
    loaded = set(done.stderr.split())
    assert "xopc.client.stream" in loaded
    assert not heavy & loaded


def _interrupt(after: bytes) -> tuple[bytes, bytes, int]:
    """What a command prints from Ctrl+C on, which comes when it has printed `after`; and its exit code."""
    command = [XOPC, "agent", "hi"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert os.read(process.stdout.fileno(), 100) == after
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    return out, err, process.returncode


def _on_terminal(*arguments: str) -> str:
    """What stands on the terminal that a command ran at."""
    screen, terminal = pty.openpty()
    with subprocess.Popen([XOPC, *arguments], stdout=terminal, stderr=terminal, env={**os.environ, "TERM": "xterm"}):
        os.close(terminal)
        seen = b""
        while piece := _read(screen):
            seen += piece
    os.close(screen)
    return seen.decode()


def _read(screen: int) -> bytes:
    try:
        return os.read(screen, 4096)
    except OSError:  # Linux: the last one at the terminal has gone
        return b""
