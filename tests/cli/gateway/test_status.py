"""`xopc gateway status`."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.fakes.gateway import TOKEN, Behaviour, configure, running_gateway, stranger
from xopc.cli.gateway.report import SCHEMA
from xopc.cli.gateway.restart import restart
from xopc.cli.gateway.run import launch
from xopc.cli.gateway.status import status
from xopc.cli.gateway.target import find_target
from xopc.cli.options import Duration
from xopc.config.accepted import keep_accepted
from xopc.config.resolve import Flags, resolve
from xopc_supervisor.contract import INHERITANCE_VARIABLE, LAUNCH_VARIABLE, Inheritance, LockInfo, start_time


@pytest.fixture(autouse=True)
def no_tools(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No service manager of whoever runs the tests is asked."""
    monkeypatch.setenv("PATH", str(home / "no-such-directory"))


def status_as_json(capsys: pytest.CaptureFixture[str], code: int = 0, **options: Any) -> Any:  # noqa: ANN401 - JSON
    assert status(as_json=True, **options) == code
    shown = json.loads(capsys.readouterr().out)
    jsonschema.validate(shown, json.loads(SCHEMA.read_text("utf-8")))
    return shown


def codes(shown: Any) -> list[str]:  # noqa: ANN401 - JSON
    return [issue["code"] for issue in shown["issues"]]


def test_rows_020_to_024_a_running_gateway(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home) as gateway:
        assert status() == 0
    text = capsys.readouterr().out
    assert text.startswith(
        f"✅ Gateway is running\n\n   Port: {gateway.port}\n   Config: ~/.xopc/xopc.json\n"
        f"   Version: 0.1.0 (pid {gateway.pid}, up 0 s)\n"
    )
    assert text.endswith(
        f"\n\n🌐 Access:\n   URL: http://localhost:{gateway.port}\n   Token: {TOKEN[:8]}...{TOKEN[-8:]}\n"
        "\n📝 Management:\n   xopc gateway stop      # Stop gateway\n   xopc gateway restart   # Restart gateway\n"
    )


def test_a_running_gateway_as_json(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home) as gateway:
        shown = status_as_json(capsys)
    assert shown["running"] is True
    assert shown["service"] is None
    assert (shown["lock"]["alive"], shown["lock"]["pid"], shown["lock"]["state"]) == (True, gateway.pid, "serving")
    assert (shown["url"], shown["port"]) == (f"http://127.0.0.1:{gateway.port}", gateway.port)
    probe = shown["probe"]
    assert (probe["reachable"], probe["status"], probe["generation"]) == (True, "healthy", 1)
    assert shown["lastRestart"] is None
    assert shown["issues"] == []


def test_the_last_restart_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home):
        restart(wait=Duration(10), reason="config reload", as_json=True)
        capsys.readouterr()
        assert status() == 0
        assert "   Last restart: config reload, 3 min ago, 41 ms\n" in capsys.readouterr().out
        assert status_as_json(capsys)["lastRestart"]["reason"] == "config reload"


def test_row_028_nothing_that_runs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with stranger(home) as process:
        pass
    configure(home, port=process.port)
    assert status() == 1
    assert capsys.readouterr().out == "⚠️  Gateway is not running\n\n💡 Start with: xopc gateway\n"
    shown = status_as_json(capsys, 1)
    assert (shown["running"], shown["lock"]["alive"], shown["lock"]["pid"]) == (False, False, None)
    assert shown["probe"]["reachable"] is False


def test_row_025_a_stale_lock_is_not_a_running_gateway(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home) as gateway:
        pass
    configure(home, port=gateway.port)
    shown = status_as_json(capsys, 1)
    assert (shown["lock"]["alive"], shown["lock"]["pid"]) == (False, gateway.pid)


def test_row_025_a_stranger_at_the_port_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with stranger(home) as process:
        configure(home, port=process.port)
        assert status(timeout=Duration(0.1)) == 1
    text = capsys.readouterr().out
    assert f"⚠️  Port {process.port} is in use, and not by this gateway.\n" in text
    assert f"Listener: pid={process.pid} " in text


def test_the_configured_token_is_not_shown_to_a_stranger_at_the_port(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home, Behaviour(locked=False)) as gateway:
        configure(home, port=gateway.port)
        shown = status_as_json(capsys, 1)
        status_as_json(capsys, url=f"http://127.0.0.1:{gateway.port}")
        assert not [request for request in gateway.requests() if TOKEN in request]
        status_as_json(capsys, 1, token=TOKEN)
        assert gateway.requests()[-1] == f"/api/status Bearer {TOKEN}"
    assert shown["running"] is False
    assert codes(shown) == ["other-configuration", "unauthorized"]


def test_another_gateway_at_the_port_is_not_told_as_that_of_this_configuration(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home, Behaviour(locked=False)) as gateway:
        configure(home, port=gateway.port)
        assert status() == 1
    text = capsys.readouterr().out
    assert text.startswith("⚠️  Another gateway is running, and not that of this configuration\n")
    assert f"   Port: {gateway.port}\n   Version: 0.1.0 (pid " in text
    assert "Config:" not in text
    assert "Token:" not in text
    assert "xopc gateway stop" not in text, "it would stop nobody"


def test_another_gateway_at_the_port_does_not_answer_for_the_one_that_waits_for_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home, Behaviour(locked=False)) as gateway:
        configure(home, port=gateway.port)
        path = find_target(None).paths.lock_path
        path.parent.mkdir(parents=True)
        path.write_text(LockInfo(os.getpid(), start_time(os.getpid()), "", "", state="starting").to_json())
        assert status() == 0
        text = capsys.readouterr().out
        shown = status_as_json(capsys, 1, require_probe=True)
        assert not [request for request in gateway.requests() if TOKEN in request]
    assert text.startswith("⚠️  Gateway is running, and does not answer\n")
    assert (shown["running"], shown["probe"]["reachable"]) == (True, False)
    assert codes(shown) == ["starting", "other-configuration"]


def test_a_gateway_elsewhere_is_asked_by_its_url(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home, Behaviour(locked=False)) as gateway:
        url = f"http://127.0.0.1:{gateway.port}"
        assert status(url=url, token=TOKEN) == 0
        text = capsys.readouterr().out
        assert f"   Port: {gateway.port}\n" in text
        assert f"   URL: {url}\n" in text
        assert codes(status_as_json(capsys, url=url, token=TOKEN)) == []
    assert status_as_json(capsys, 1, url=url)["running"] is False


def test_a_wrong_token_is_told_and_not_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home, Behaviour(token="another token of 32 characters..")):
        assert codes(status_as_json(capsys)) == ["unauthorized"]
        assert status() == 0
    text = capsys.readouterr().out
    assert "Token:" not in text
    assert "⚠️  The running gateway refuses this token.\n" in text


def test_without_probing_nobody_is_asked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home) as gateway:
        shown = status_as_json(capsys, no_probe=True)
        assert gateway.requests() == []
        assert status(no_probe=True) == 0
        assert f"   Token: {TOKEN[:8]}...{TOKEN[-8:]}\n" in capsys.readouterr().out
    assert (shown["running"], shown["probe"], shown["lastRestart"]) == (True, None, None)


def test_a_gateway_that_starts_or_hangs_runs_but_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home, Behaviour(health_code=500)) as gateway:
        assert codes(status_as_json(capsys)) == ["no-answer"]
        path = find_target(None).paths.lock_path
        info = LockInfo.from_json(path.read_text())
        assert info is not None
        for state, code in (("starting", "starting"), ("backing-off", "crash-looping"), ("stopping", "stopping")):
            path.write_text(info._replace(state=state).to_json())
            assert codes(status_as_json(capsys)) == [code]
        path.write_text(info._replace(state=None, port=None, host=None).to_json())
        configure(home, port="x")
        assert status() == 0
    text = capsys.readouterr().out
    assert text.startswith("✅ Gateway is running\n\n   Port: not known yet\n")
    assert "   URL: not known yet\n" in text
    assert gateway.requests()


@pytest.mark.parametrize(
    ("auth", "line"),
    [
        ({"mode": "none"}, "   Auth: none\n"),
        ({"mode": "password", "password": "a long password"}, "   Auth: password\n"),
    ],
)
def test_who_may_enter_without_a_token(
    home: Path, capsys: pytest.CaptureFixture[str], auth: dict[str, str], line: str
) -> None:
    with running_gateway(home):
        configure(home, auth=auth)
        assert status(no_probe=True) == 0
    assert line in capsys.readouterr().out


def test_a_broken_configuration_is_told_and_what_runs_is_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home) as gateway:
        configure(home, port="x")
        shown = status_as_json(capsys)
    assert (shown["running"], shown["port"]) == (True, gateway.port)
    assert "config-invalid" in codes(shown)
    shown = status_as_json(capsys, 1)
    assert (shown["port"], shown["url"], shown["probe"]) == (None, None, None)


def test_with_a_broken_configuration_the_accepted_one_has_the_token(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home):
        restart(wait=Duration(10), reason="config reload", as_json=True)
        keep_accepted(resolve(find_target(None).environ, Flags()))
        configure(home, port="x")
        capsys.readouterr()
        assert status() == 0
        text = capsys.readouterr().out
        assert codes(status_as_json(capsys)) == ["config-invalid"]
    assert "   Last restart: config reload, " in text
    assert f"   Token: {TOKEN[:8]}...{TOKEN[-8:]}\n" in text


def test_where_no_token_is_known_none_is_called_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home):
        configure(home, port="x")
        assert status() == 0
        text = capsys.readouterr().out
    assert "refuses this token" not in text
    assert "⚠️  No token is known here, and without one the gateway tells no more than its health.\n" in text
    assert "💡 Give the token that it was started with: --token\n" in text


def test_a_gateway_at_both_addresses_of_localhost_is_shown_by_that_name(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home, Behaviour(addresses=("127.0.0.1:1", "[::1]:1"))) as gateway:
        with socket.create_server(("::1", gateway.port), family=socket.AF_INET6) as witness:
            assert codes(status_as_json(capsys)) == []
            witness.setblocking(False)
            with pytest.raises(BlockingIOError):
                witness.accept()
        assert status() == 0
    assert f"   URL: http://localhost:{gateway.port}\n" in capsys.readouterr().out


def test_where_another_program_has_the_other_address_of_localhost_nobody_is_sent_there(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home) as gateway:
        with socket.create_server(("::1", gateway.port), family=socket.AF_INET6):
            assert status() == 0
            text = capsys.readouterr().out
            (issue,) = status_as_json(capsys)["issues"]
        assert status() == 0
        assert f"   URL: http://localhost:{gateway.port}\n" in capsys.readouterr().out
    assert f"   URL: http://127.0.0.1:{gateway.port}\n" in text
    what = f"Another program (pid {os.getpid()}) listens at [::1]:{gateway.port}, where localhost may lead to."
    assert (issue["code"], issue["message"]) == ("localhost", what)
    assert f"http://127.0.0.1:{gateway.port}; or stop that program" in issue["hint"]


ORPHAN = (
    "import socket, time;"
    "s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); time.sleep(60)"
)


@pytest.mark.parametrize("listed", [True, False])
def test_what_a_dead_supervisor_left_is_not_called_a_stranger(
    home: Path, capsys: pytest.CaptureFixture[str], listed: bool
) -> None:
    configure(home)
    own = launch(resolve(find_target(None).environ, Flags()))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    inherited = Inheritance(3, 4, (5,), "a-boot", dead.pid).to_json()
    environ = {**os.environ, LAUNCH_VARIABLE: own.to_json(), INHERITANCE_VARIABLE: inherited}
    with subprocess.Popen([sys.executable, "-c", ORPHAN], env=environ, stdout=subprocess.PIPE, text=True) as left:
        assert left.stdout is not None
        port = int(left.stdout.readline())
        configure(home, port=port)
        info = LockInfo(dead.pid, 1, "", "", host="127.0.0.1", port=port)
        if listed:
            info = info._replace(candidate_pid=left.pid, candidate_start_time=start_time(left.pid))
        lock = find_target(None).paths.lock_path
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.write_text(info.to_json())
        shown = status_as_json(capsys, 1, timeout=Duration(0.2))
        assert restart(as_json=True) == 1
        refusal = json.loads(capsys.readouterr().out)["error"]
        left.kill()
    (issue,) = shown["issues"]
    assert issue["code"] == "orphaned"
    assert f"(pid {left.pid})" in issue["message"]
    assert issue["hint"].endswith("xopc gateway --force")
    assert f"the supervisor of the gateway (pid {left.pid}) has ended" in refusal


def test_row_096_a_reused_pid_is_not_the_gateway(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home) as gateway:
        pass
    configure(home, port=gateway.port)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        started = start_time(other.pid)
        assert started is not None
        path = find_target(None).paths.lock_path
        path.write_text(LockInfo(other.pid, started - 1, "", "", port=gateway.port).to_json())
        assert status_as_json(capsys, 1)["lock"]["alive"] is False
        other.kill()


def test_looking_changes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status_as_json(capsys, 1, timeout=Duration(0.1), no_probe=True)
    assert list(home.iterdir()) == []


def change_lock(**fields: str | None) -> None:
    path = find_target(None).paths.lock_path
    info = LockInfo.from_json(path.read_text())
    assert info is not None
    path.write_text(info._replace(**fields).to_json())  # type: ignore[arg-type]  # the tests name real fields


@pytest.mark.parametrize("state", ["handing-over", "degraded"])
def test_what_the_supervisor_is_at_is_told_unless_it_just_serves(
    home: Path, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    with running_gateway(home):
        assert status() == 0
        assert "State:" not in capsys.readouterr().out
        change_lock(state=state)
        assert status() == 0
        text = capsys.readouterr().out
        assert f"   State: {state}, for 0 s\n" in text
        meaning = "      a new process prepares; this one serves until it stands by\n"
        assert (meaning in text) is (state == "handing-over")
        lock = status_as_json(capsys)["lock"]
        assert lock["state"] == state
        assert 0 <= (datetime.now(UTC) - datetime.fromisoformat(lock["since"])).total_seconds() < 10


def test_how_long_the_supervisor_is_at_it_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home):
        change_lock(state="handing-over")
        then = time.time() - 130
        os.utime(find_target(None).paths.lock_path, (then, then))
        assert status() == 0
    assert "   State: handing-over, for 2 min\n" in capsys.readouterr().out


def test_the_supervisors_problem_is_told_with_what_to_do(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem = "the new process could not take over (exit code 1); the one before goes on"
    with running_gateway(home):
        change_lock(problem=problem)
        assert status() == 0
        text = capsys.readouterr().out
        assert f"⚠️  Supervisor: {problem}.\n💡 Mend what it says, then: xopc gateway restart --wait 30s\n" in text
        shown = status_as_json(capsys)
        assert shown["lock"]["problem"] == problem
        assert codes(shown) == ["hand-over"]
        assert codes(status_as_json(capsys, no_probe=True)) == ["hand-over"]


def test_a_gateway_that_crashes_in_a_loop_is_not_shown_as_well(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home, Behaviour(health_code=500)) as gateway:
        change_lock(state="crash-looping", problem="it crashed: exit code 3")
        assert status() == 0
        text = capsys.readouterr().out
        assert codes(status_as_json(capsys, no_probe=True)) == ["crash-looping"]
    assert text.startswith("⚠️  Gateway is running, and does not answer\n")
    assert "   State: crash-looping, for 0 s\n" in text
    crashes = "crashes again and again, and is started again after a pause"
    assert f"⚠️  The gateway (pid {gateway.pid}) {crashes}.\n   it crashed: exit code 3.\n" in text


def test_the_problems_that_the_gateway_tells_are_issues(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home, Behaviour(problems=("storage", "hand-over"))):
        change_lock(problem="the same in the supervisor's words")
        shown = status_as_json(capsys)
        assert status() == 0
    assert codes(shown) == ["storage", "hand-over"]
    assert shown["issues"][0]["message"] == "storage: a message."
    text = capsys.readouterr().out
    told = r"⚠️  storage: a message\.\n   For \d+ s now\.\n💡 It goes on by itself once the disk does\."
    assert re.search(told, text)


def test_row_251_a_pid_file_of_an_old_version_is_mentioned_and_does_no_harm(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home):
        (home / ".xopc" / "gateway.pid").write_text("1\n")
        assert status() == 0
    text = capsys.readouterr().out
    assert text.startswith("✅ Gateway is running\n")
    assert "gateway.pid is left from an old version, and does no harm.\n💡 Remove it: rm " in text


def test_one_that_is_suspended_is_told_with_how_it_goes_on(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home) as gateway:
        gateway.suspend()
        shown = status_as_json(capsys, timeout=Duration(0.3))
    assert codes(shown) == ["no-answer", "suspended"]
    assert shown["issues"][1]["hint"] == f"Let it go on: kill -CONT {gateway.pid}"


def test_a_gateway_whose_lock_was_removed_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home, Behaviour(locked=False, launched=True)) as gateway:
        configure(home, port=gateway.port)
        shown = status_as_json(capsys)
    assert codes(shown) == ["lock-removed", "unauthorized"]
    assert f"pid {gateway.pid}" in shown["issues"][0]["message"]
