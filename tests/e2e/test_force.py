"""`--force`: a gateway takes over a port, and the place of the gateway that runs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from tests.e2e.harness import Gateway, until
from tests.ports import free_port
from xopc_supervisor.contract import is_alive

Start = Callable[..., Gateway]
DUMMY = """
import signal, socket, sys, time
server = socket.create_server(("127.0.0.1", 0))
def term(number, frame):
    print("SIGTERM", flush=True)
    if sys.argv[1] == "exit":
        sys.exit(7)
signal.signal(signal.SIGTERM, term)
print(server.getsockname()[1], flush=True)
while True:
    time.sleep(60)
"""


@contextmanager
def dummy(on_term: str) -> Generator[tuple[subprocess.Popen[str], int]]:
    """A program that listens, and its port."""
    with subprocess.Popen([sys.executable, "-c", DUMMY, on_term], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def test_rows_008_009_011_012_a_program_that_ends_by_itself_makes_room(start: Start) -> None:
    with dummy("exit") as (other, port):
        gateway = start("--port", str(port), "--force")
        assert other.wait(1) == 7, "it ended by its own handler"
        assert other.stdout is not None
        assert other.stdout.readline() == "SIGTERM\n"
    health = gateway.health()
    assert health["status"] == "healthy"
    assert other.pid not in (health["pid"], health["gatewayPid"])
    assert f"Port {port} is used by pid {other.pid}: {sys.executable} -c" in gateway.text
    assert f"Force killed 1 process(es) on port {port}\n" in gateway.text
    assert "Escalated" not in gateway.text


def test_row_010_a_program_that_ignores_sigterm_is_killed(start: Start) -> None:
    with dummy("ignore") as (other, port):
        gateway = start("--port", str(port), "--force")
        assert other.wait(1) == -signal.SIGKILL
    assert gateway.health()["status"] == "healthy"
    killed = gateway.text.index(f"Force killed 1 process(es) on port {port}\n")
    assert killed < gateway.text.index("Escalated to SIGKILL\n") < gateway.text.index("🚀 Starting xopc gateway...")


def test_row_013_a_free_port_is_simply_taken(start: Start) -> None:
    gateway = start("--port", str(free_port()), "--force")
    assert gateway.health()["status"] == "healthy"
    assert gateway.text.startswith("🚀 Starting xopc gateway...")


@pytest.mark.parametrize("same_port", [True, False], ids=["at_its_port", "at_another_port"])
def test_the_gateway_of_the_same_configuration_is_taken_over(gateway: Gateway, start: Start, same_port: bool) -> None:
    child = gateway.child_pid
    second = start("--force", "--port", str(gateway.port if same_port else 0))
    assert gateway.wait_until_ended(5) == 0, "there was nothing to drain, so nobody was killed"
    assert not is_alive(child, None)
    lock = second.lock()
    assert lock is not None
    assert lock.pid == second.process.pid == second.health()["pid"]
    assert f"A gateway runs already (pid {gateway.process.pid}); it is stopped." in second.text
    assert "Escalated" not in second.text


def test_a_gateway_that_hangs_is_killed_with_its_child_and_nothing_keeps_the_port(
    gateway: Gateway, start: Start
) -> None:
    child, port = gateway.child_pid, gateway.port
    os.kill(child, signal.SIGSTOP)
    second = start("--force", "--port", str(port))
    assert gateway.wait_until_ended(5) == -signal.SIGKILL
    assert not is_alive(child, None)
    assert second.health()["status"] == "healthy"
    assert "Escalated to SIGKILL\n" in second.text


def test_the_orphan_of_a_killed_supervisor_is_taken_over(gateway: Gateway, start: Start) -> None:
    child = gateway.child_pid
    os.kill(child, signal.SIGSTOP)
    gateway.process.kill()
    gateway.process.wait()
    second = start("--force", "--port", str(gateway.port))
    assert not is_alive(child, None)
    assert second.health()["status"] == "healthy"


def test_a_gateway_that_a_service_manager_keeps_running_is_left_alone(home: object, start: Start) -> None:
    kept = start(XOPC_SERVICE_MARKER="systemd")
    second = start("--force", "--port", str(kept.port), ready=False)
    assert second.wait_until_ended() == 1
    reason = rf"❌ Failed to free port {kept.port}: systemd keeps the gateway there running \(pid {kept.process.pid}\)"
    assert re.search(reason, second.text)
    assert "stop" in second.text
    assert kept.health()["status"] == "healthy"


def test_two_that_force_each_other_at_once_leave_one_gateway(start: Start) -> None:
    port = str(free_port())
    first = start("--port", port)
    rivals = [start("--force", "--port", port, ready=False) for _ in range(2)]
    for rival in rivals:
        until(
            lambda rival=rival: "✅ Gateway started" in rival.text or rival.process.poll() is not None,
            "it serves, or has ended",
        )
    # An interpreter that ends has no handlers any more: the second SIGTERM may come just then.
    assert first.wait_until_ended() in (0, -signal.SIGTERM, -signal.SIGKILL)
    lock = first.lock()
    assert lock is not None
    assert lock.pid in [rival.process.pid for rival in rivals]
    assert first.health()["pid"] == lock.pid
    assert sum(rival.process.poll() is None for rival in rivals) == 1
