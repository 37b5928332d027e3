"""`status` and `logs`, as a person sees them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from tests.e2e.harness import TOKEN, XOPC, Gateway, run_xopc, until


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
