"""`status` and `logs`, as a person sees them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.harness import TOKEN, XOPC, Gateway, run_xopc, until
from xopc.service.ports import inspect

Start = Callable[..., Gateway]


def test_rows_020_to_024_status_of_a_running_gateway(gateway: Gateway) -> None:
    done = gateway.xopc("gateway", "status")
    assert done.returncode == 0, done.stderr
    assert "✅ Gateway is running" in done.stdout
    assert f"   Port: {gateway.port}" in done.stdout
    assert "🌐 Access:" in done.stdout
    assert f"   URL: http://localhost:{gateway.port}" in done.stdout
    assert f"   Token: {TOKEN[:8]}...{TOKEN[-8:]}" in done.stdout
    assert TOKEN not in done.stdout
    assert "📝 Management:" in done.stdout
    assert "xopc gateway stop" in done.stdout
    assert "xopc gateway restart" in done.stdout


def test_row_028_status_without_a_gateway(home: Path) -> None:
    done = run_xopc("gateway", "status", environ={**os.environ, "XOPC_HOME": str(home)}, cwd=home)
    assert done.returncode == 1
    assert "Gateway is not running" in done.stdout


def test_row_025_a_stale_lock_is_not_a_running_gateway(gateway: Gateway) -> None:
    lock = gateway.lock_file()
    assert lock is not None
    text = lock.read_text()
    gateway.kill()
    lock.write_text(text)
    done = gateway.xopc("gateway", "status")
    assert done.returncode == 1
    assert "not running" in done.stdout


def test_status_as_json_tells_pid_probe_and_last_restart(gateway: Gateway) -> None:
    assert gateway.xopc("gateway", "restart", "--wait", "30s", "--reason", "a test").returncode == 0
    shown = json.loads(gateway.xopc("gateway", "status", "--json").stdout)
    assert shown["running"] is True
    assert shown["port"] == gateway.port
    assert shown["lock"]["pid"] == gateway.process.pid
    assert shown["probe"]["reachable"] is True
    assert shown["lastRestart"]["reason"] == "a test"
    assert "a test" in gateway.xopc("gateway", "status").stdout


def test_a_hung_gateway_is_not_reported_as_healthy(gateway: Gateway) -> None:
    os.kill(gateway.child_pid, signal.SIGSTOP)
    shown = json.loads(gateway.xopc("gateway", "status", "--json", "--timeout", "1s").stdout)
    os.kill(gateway.child_pid, signal.SIGCONT)
    assert shown["lock"]["alive"] is True
    assert shown["probe"]["reachable"] is False


def test_the_log_holds_the_start_and_no_secret(gateway: Gateway) -> None:
    shown = gateway.xopc("gateway", "logs", "--lines", "100")
    assert "The gateway is ready." in shown.stdout
    (file,) = gateway.state.glob("logs/app-*.log")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert all({"timestamp", "level", "message", "module"} <= set(line) for line in lines)
    assert TOKEN not in file.read_text()


def test_the_version_is_told_quickly(home: Path) -> None:
    began = time.monotonic()
    done = run_xopc("--version", environ=dict(os.environ), cwd=home)
    assert done.stdout.strip() == "0.1.0"
    assert time.monotonic() - began < 5
    assert XOPC.exists()


def test_the_token_command_prints_it(gateway: Gateway) -> None:
    assert TOKEN in gateway.xopc("gateway", "token").stdout


def test_follow_shows_what_happens_next(gateway: Gateway) -> None:
    follower = subprocess.Popen(
        [XOPC, "gateway", "logs", "--follow"], env=gateway.environ, stdout=subprocess.PIPE, text=True
    )
    assert follower.stdout is not None
    try:
        assert any("ready" in line for line in iter(follower.stdout.readline, ""))
        gateway.signal(signal.SIGUSR1)
        assert any("Restarted." in line for line in iter(follower.stdout.readline, ""))
        follower.send_signal(signal.SIGINT)
        assert follower.wait(10) == 0
    finally:
        follower.kill()
        follower.stdout.close()
    until(lambda: gateway.health()["generation"] == 2, "it restarted")


def test_row_111_the_inspected_port_is_the_gateways(gateway: Gateway) -> None:
    use = inspect(gateway.port)
    assert use.gateways == (gateway.process.pid,), "supervisor and child are one gateway"
    assert {one.pid for one in use.listeners} == {gateway.process.pid, gateway.child_pid}
    assert use.hints == (f"xopc gateway is already running (pid {gateway.process.pid}).",)
    assert use.strangers == ()


def test_row_251_a_pid_file_of_an_old_version_does_no_harm(home: Path, start: Start) -> None:
    old = home / ".xopc" / "gateway.pid"
    old.write_text(f"{os.getpid()}\n")
    gateway = start()
    assert gateway.health()["status"] == "healthy"
    assert f"{old} is left from an old version, and does no harm." in gateway.xopc("gateway", "status").stdout
    assert gateway.xopc("gateway", "stop").returncode == 0
    assert gateway.wait_until_ended() == 0
    assert old.read_text() == f"{os.getpid()}\n"


def test_row_252_the_commands_for_troubleshooting_work(gateway: Gateway) -> None:
    for arguments in (["status"], ["status", "--json"], ["logs"], ["logs", "--lines", "100"], ["tree"]):
        done = gateway.xopc("gateway", *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout
    listening = subprocess.run(
        [sys.executable, "-m", "xopc.service.ports", str(gateway.port)], capture_output=True, text=True, check=True
    )
    assert f"(pid {gateway.process.pid})" in listening.stdout


def test_a_gateway_that_crashes_in_a_loop_is_told_with_its_state_and_cause(gateway: Gateway) -> None:
    # Its next processes find no file to write to where the database was, and no way to make one.
    for file in gateway.state.glob("xopc.db*"):
        file.unlink()
    (gateway.state / "xopc.db").mkdir()
    os.kill(gateway.child_pid, signal.SIGKILL)
    until(lambda: (info := gateway.lock()) and info.problem, "the supervisor has a problem")
    shown = json.loads(gateway.xopc("gateway", "status", "--json", "--no-probe").stdout)
    assert shown["lock"]["problem"]
    assert shown["lock"]["state"] != "serving"
    text = gateway.xopc("gateway", "status", "--timeout", "500ms").stdout
    assert text.startswith("⚠️  Gateway is running, and does not answer\n")
    assert "   State: " in text
    failed = gateway.xopc("gateway", "restart", "--wait", "2s")
    assert failed.returncode == 1
    assert "Step: process: " in failed.stderr
    assert "xopc.db" in failed.stderr


def test_the_room_that_it_takes_stands_in_the_status(gateway: Gateway) -> None:
    storage = gateway.request("GET", "/api/status").json["storage"]
    assert storage["databaseBytes"] + storage["walBytes"] > 4096
    assert storage["logBytes"] > 0
    assert storage["diskFreeBytes"] > 0
    assert (storage["sessions"], storage["messages"], storage["deadLetters"]) == (0, 0, 0)
    assert "   Storage: " in gateway.xopc("gateway", "status").stdout
