"""What `restart` and `status` say where a restart did not go as asked, and where somebody is in the way."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.harness import TOKEN, Gateway, until, write_config

Start = Callable[..., Gateway]

HANGING = Path(__file__).parents[1] / "fakes" / "hanging_gateway.py"


def test_a_refused_reload_is_declined_at_once_also_while_the_accepted_copy_serves(home: Path, start: Start) -> None:
    gateway = start()
    write_config(home, "{broken")
    os.kill(gateway.child_pid, signal.SIGKILL)
    until(lambda: (info := gateway.lock()) and info.state == "degraded", "it serves the accepted copy")
    until(lambda: gateway.health()["status"] == "degraded", "it answers")
    for _ in range(2):
        began = time.monotonic()
        done = gateway.xopc("gateway", "restart", "--wait", "30s")
        assert time.monotonic() - began < 10
        assert done.returncode == 1
        assert done.stderr.splitlines()[0] == "❌ Restart health check failed: declined"
        assert done.stderr.count("is not JSON: line 1") <= 2, "the reason, and that the copy is served because of it"
        assert "Log: " not in done.stderr
    told = gateway.xopc("gateway", "status").stdout
    assert "   Last restart: crash (killed by SIGKILL), " in told
    assert "refuses this token" not in told
    assert TOKEN[:8] in told


def test_a_respawn_that_is_not_allowed_is_not_reported_as_one(start: Start) -> None:
    gateway = start(XOPC_NO_RESPAWN="1")
    before = gateway.boot_id()
    done = gateway.xopc("gateway", "restart", "--respawn", "--wait", "30s", "--json")
    assert done.returncode == 0, done.stdout
    shown = json.loads(done.stdout)
    assert (shown["result"], shown["mode"]) == ("healthy", "in-process")
    assert "XOPC_NO_RESPAWN" in shown["warnings"][0]
    assert gateway.boot_id() == before


def test_a_respawn_is_reported_as_one(gateway: Gateway) -> None:
    done = gateway.xopc("gateway", "restart", "--respawn", "--wait", "30s", "--json")
    shown = json.loads(done.stdout)
    assert (done.returncode, shown["mode"], shown["warnings"]) == (0, "respawn", [])


def test_a_request_that_the_supervisor_cannot_read_is_no_success(gateway: Gateway) -> None:
    used = max(int(name) for name in os.listdir(f"/proc/{gateway.process.pid}/fd")) + 1
    resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (used, used))
    done = gateway.xopc("gateway", "restart", "--respawn", "--wait", "30s")
    assert done.returncode == 1
    assert "It restarted, but has not read " in done.stderr
    assert "✅" not in done.stdout
    assert gateway.health()["generation"] == 2


def test_a_program_at_the_other_address_of_localhost_keeps_nobody_from_the_gateway(home: Path, start: Start) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        port = other.getsockname()[1]
        gateway = start("--port", str(port))
        told = gateway.xopc("gateway", "status").stdout
    assert f"   URL: http://127.0.0.1:{port}\n" in told
    assert f"⚠️  Another program (pid {os.getpid()}) listens at [::1]:{port}, " in told


def answers(gateway: Gateway) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=0.5) as asking:
            asking.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            return bool(asking.recv(1))
    except TimeoutError:
        return False


def test_what_a_killed_supervisor_leaves_is_not_called_a_stranger(start: Start) -> None:
    gateway = start(child=HANGING)
    child = gateway.child_pid
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as asking:
        asking.sendall(f"GET /hang/20 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
        until(lambda: not answers(gateway), "it hangs")
    gateway.process.kill()
    gateway.process.wait()
    done = gateway.xopc("gateway", "status", "--timeout", "500ms", "--json")
    assert done.returncode == 1
    (issue,) = json.loads(done.stdout)["issues"]
    assert issue["code"] == "orphaned"
    assert f"(pid {child})" in issue["message"]
