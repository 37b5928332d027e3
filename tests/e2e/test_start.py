"""Starting: the port, the first run, the banner, the lock, and what is said when it cannot start."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.harness import TOKEN, XOPC, Gateway, is_refused, until, write_config
from tests.ports import free_port
from xopc_supervisor.contract import start_time

Start = Callable[..., Gateway]


def test_row_001_the_port_flag_is_where_it_serves(start: Start) -> None:
    port = free_port()
    gateway = start("--port", str(port))
    assert gateway.port == port
    assert gateway.request("GET", "/health", token=None).status == 200


def test_row_002_the_default_port_is_18790(home: Path, start: Start) -> None:
    gateway = Gateway(home)
    try:
        until(lambda: "18790" in gateway.text and ("started" in gateway.text or "in use" in gateway.text), "it speaks")
        # Either it serves there, or it says that somebody else on this machine does.
        assert "URL: http://127.0.0.1:18790" in gateway.text or "Port 18790 is already in use" in gateway.text
    finally:
        gateway.kill()


def test_row_003_it_stays_in_the_foreground(gateway: Gateway) -> None:
    time.sleep(0.3)
    assert gateway.process.poll() is None
    lock = gateway.lock()
    assert lock is not None
    assert lock.pid == gateway.process.pid, "the command becomes the supervisor: same pid, same terminal"


def test_row_005_the_port_of_the_configuration_is_used(tmp_path: Path) -> None:
    port = free_port()
    write_config(tmp_path, {"gateway": {"port": port, "auth": {"token": TOKEN}}})
    gateway = Gateway(tmp_path).wait_until_ready()
    try:
        assert gateway.health()["status"] == "healthy"
        assert gateway.port == port
    finally:
        gateway.kill()


def test_rows_006_007_a_taken_port_is_told_with_who_has_it(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        gateway = start("--port", str(port), ready=False)
        assert gateway.wait_until_ended() == 1
        assert f"❌ Port {port} is already in use. Use --force to kill existing process.\n" in gateway.text
        assert f"pid {os.getpid()}" in gateway.text
    assert gateway.lock_file() is None


def test_the_banner_names_bind_port_url_and_a_shortened_token(gateway: Gateway) -> None:
    assert "🚀 Starting xopc gateway...\n   Bind: loopback (127.0.0.1)\n" in gateway.text
    assert "Press Ctrl+C to stop\n" in gateway.text
    shown = f"✅ Gateway started\n   URL: http://127.0.0.1:{gateway.port}\n   Token: {TOKEN[:8]}...{TOKEN[-8:]}\n"
    assert shown in gateway.text
    assert TOKEN not in gateway.text


def test_row_201_the_first_start_writes_a_private_configuration_with_a_token(tmp_path: Path, start: Start) -> None:
    new_home = tmp_path / "new"
    new_home.mkdir()
    gateway = start(at=new_home)
    path = gateway.state / "xopc.json"
    token = json.loads(path.read_text())["gateway"]["auth"]["token"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert gateway.state.stat().st_mode & 0o777 == 0o700
    assert len(token) == 48
    assert gateway.request("GET", "/api/status", token=None).status == 401
    assert gateway.request("GET", "/api/status", token=token).status == 200
    assert str(path) in gateway.text


def test_rows_090_091_092_097_the_lock_says_who_holds_it(gateway: Gateway) -> None:
    config = (gateway.state / "xopc.json").resolve()
    digest = hashlib.sha256(str(config).encode()).hexdigest()[:8]
    content = json.loads((gateway.state / "locks" / f"gateway.{digest}.lock").read_text())
    assert content["pid"] == gateway.process.pid
    assert content["startTime"] == start_time(gateway.process.pid)
    assert content["configPath"] == str(config)
    assert content["createdAt"].endswith("Z")
    assert not (gateway.state / "gateway.pid").exists()


def test_streams_that_were_closed_give_their_numbers_to_no_lock_and_no_socket(start: Start) -> None:
    gateway = start(ready=False, within=("sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-'))
    until(lambda: (lock := gateway.lock()) and lock.state == "serving", "it serves")
    for pid in (gateway.process.pid, gateway.child_pid):
        opened = {path.name: os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()}
        assert [opened[number] for number in "012"] == [os.devnull] * 3
        assert str(gateway.lock_file()) in opened.values(), "each of them holds the lock"


def test_row_093_two_configurations_run_side_by_side(gateway: Gateway, start: Start) -> None:
    other = gateway.home / "other.json"
    other.write_text(json.dumps({"gateway": {"auth": {"token": TOKEN}}}))
    environ = {**gateway.environ, "XOPC_CONFIG_PATH": str(other)}
    second = subprocess.Popen(
        [XOPC, "gateway", "--port", "0"], env=environ, stdout=subprocess.PIPE, text=True, cwd=gateway.home
    )
    assert second.stdout is not None
    try:
        assert any("Gateway started" in line for line in iter(second.stdout.readline, ""))
        assert gateway.health()["status"] == "healthy"
        assert len(list(gateway.state.glob("locks/gateway.*.lock"))) == 2
    finally:
        second.send_signal(signal.SIGTERM)
        assert second.wait(20) == 0
        second.stdout.close()


def test_rows_094_110_a_second_start_is_refused_and_names_the_pid(gateway: Gateway, start: Start) -> None:
    port = free_port()
    second = start("--port", str(port), ready=False)
    assert second.wait_until_ended() == 1
    assert f"pid {gateway.process.pid}" in second.text
    assert "already running" in second.text
    assert is_refused(port)
    assert gateway.health()["status"] == "healthy"


def test_a_second_start_under_a_service_manager_ends_with_78(gateway: Gateway, start: Start) -> None:
    second = start(ready=False, XOPC_SERVICE_MARKER="systemd")
    assert second.wait_until_ended() == 78


@pytest.mark.parametrize("content", ["", "garbage", '{"pid": 1, "startTime": 1}', '{"pid": 999999999}'])
def test_rows_095_096_a_lock_file_that_nobody_holds_does_not_stop_a_start(
    home: Path, start: Start, content: str
) -> None:
    config = (home / ".xopc" / "xopc.json").resolve()
    digest = hashlib.sha256(str(config).encode()).hexdigest()[:8]
    (home / ".xopc" / "locks").mkdir()
    (home / ".xopc" / "locks" / f"gateway.{digest}.lock").write_text(content)
    assert start().health()["status"] == "healthy"


def test_row_232_an_edited_configuration_counts_at_the_next_start(home: Path, start: Start) -> None:
    write_config(home, '{\n  // a comment\n  "gateway": {"auth": {"mode": "none"}},\n}\n')
    assert start().request("GET", "/api/status", token=None).status == 200


def test_row_233_invalid_json_is_told_with_its_position(home: Path, start: Start) -> None:
    path = write_config(home, '{\n  "gateway": {"port": 1 2}\n}\n')
    gateway = start(ready=False)
    assert gateway.wait_until_ended() == 1
    assert "Gateway refused to start" in gateway.text
    assert str(path) in gateway.text
    assert "line 2" in gateway.text
    assert "Traceback" not in gateway.text


def test_a_wrong_value_is_told_with_its_path_and_starts_nothing(home: Path, start: Start) -> None:
    write_config(home, {"gateway": {"port": "many", "auth": {"token": TOKEN}}})
    gateway = start(ready=False)
    assert gateway.wait_until_ended() == 1
    assert "$.gateway.port" in gateway.text
    assert "Traceback" not in gateway.text
    assert gateway.lock_file() is None


def test_a_bad_configuration_under_a_service_manager_ends_with_78(home: Path, start: Start) -> None:
    write_config(home, "{")
    assert start(ready=False, XOPC_SERVICE_MARKER="systemd").wait_until_ended() == 78


def test_a_configuration_that_turns_bad_before_a_crash_gives_way_to_the_last_accepted_one(gateway: Gateway) -> None:
    good = (gateway.state / "xopc.json").read_text()
    boot = gateway.boot_id()
    write_config(gateway.home, "{")
    os.kill(gateway.child_pid, signal.SIGKILL)
    until(lambda: gateway.boot_id() not in (boot, None), "another process serves")
    health = gateway.health()
    assert (health["status"], health["problems"]) == ("degraded", ["configuration"])
    (problem,) = gateway.request("GET", "/api/status").json["problems"]
    assert "xopc.json does not validate" in problem["message"]
    until(lambda: (info := gateway.lock()) and info.state == "degraded", "the lock file says so too")
    write_config(gateway.home, good)
    assert gateway.xopc("gateway", "restart", "--wait", "10s").returncode == 0
    health = gateway.health()
    assert (health["status"], health["problems"]) == ("healthy", [])
    until(lambda: (info := gateway.lock()) and (info.state, info.problem) == ("serving", None), "all is well again")
