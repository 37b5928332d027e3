"""A gateway in a container: process 1 of its own namespace of processes, with a state directory that outlives it.

Where the machine lets nobody make such a namespace, the supervisor is a process like any other, and the same has to
hold of it: as subreaper it inherits orphans all the same.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.harness import XOPC, Gateway, is_refused, until
from xopc_supervisor.contract import LockInfo, is_alive, start_time

Start = Callable[..., Gateway]
GATEWAY_WITH_TOOLS = Path(__file__).parents[1] / "fakes" / "gateway_with_tools.py"
NAMESPACE = ("--pid", "--fork", "--kill-child", "--mount-proc")
CONTAINERS = (("unshare", *NAMESPACE), ("unshare", "--user", "--map-root-user", *NAMESPACE), ())


@pytest.fixture(scope="module")
def container() -> tuple[str, ...]:
    """What to run a program with, so that it is process 1; nothing where this machine does not allow that."""
    return next(words for words in CONTAINERS if not words or _works(words))


@pytest.fixture
def contained(start: Start, container: tuple[str, ...]) -> Gateway:
    """A ready gateway in a container."""
    return start(within=container)


def _works(words: tuple[str, ...]) -> bool:
    return (
        shutil.which(words[0]) is not None
        and not subprocess.run([*words, "true"], stderr=subprocess.DEVNULL, timeout=20, check=False).returncode
    )


def supervisor(gateway: Gateway) -> int:
    """The supervisor's pid out here."""
    info = gateway.lock()
    assert info is not None
    return next(pid for pid in (gateway.process.pid, *children(gateway.process.pid)) if pid_inside(pid) == info.pid)


def child(gateway: Gateway) -> int:
    """The gateway process's pid out here."""
    inside = gateway.child_pid
    return next(pid for pid in children(supervisor(gateway)) if pid_inside(pid) == inside)


def children(parent: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def pid_inside(pid: int) -> int:
    """What the innermost namespace of a process calls it."""
    [pids] = [row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith("NSpid:")]
    return int(pids.split()[-1])


def start_tool(gateway: Gateway, seconds: float) -> int:
    """Let the gateway start a program that leaves its process group and loses its parent; return its pid out here."""
    before = set(children(supervisor(gateway)))
    assert gateway.request("GET", f"/tool/{seconds}").status == 200
    [tool] = until(lambda: set(children(supervisor(gateway))) - before, "the supervisor inherits the tool")
    return tool


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_1_stops_gracefully(contained: Gateway, container: tuple[str, ...], number: int) -> None:
    info, port, process = contained.lock(), contained.port, child(contained)
    assert info is not None
    assert (info.pid == 1) == bool(container)
    os.kill(supervisor(contained), number)
    assert contained.wait_until_ended() == 0
    assert "Stopping." in contained.text
    assert contained.lock_file() is None
    assert is_refused(port)
    assert not is_alive(process, None)


def test_process_1_restarts(contained: Gateway) -> None:
    os.kill(supervisor(contained), signal.SIGUSR1)
    until(lambda: contained.health()["generation"] == 2, "the gateway has restarted")
    assert contained.process.poll() is None


def test_an_orphan_that_ends_is_reaped(start: Start, container: tuple[str, ...]) -> None:
    gateway = start(within=container, child=GATEWAY_WITH_TOOLS)
    process = child(gateway)
    start_tool(gateway, 0.2)
    until(lambda: children(supervisor(gateway)) == [process], "the tool is gone, and is no zombie")
    assert gateway.health()["status"] == "healthy"


def test_a_tool_that_left_its_group_does_not_outlive_its_gateway(start: Start, container: tuple[str, ...]) -> None:
    gateway = start(within=container, child=GATEWAY_WITH_TOOLS)
    tool, boot_id = start_tool(gateway, 60), gateway.boot_id()
    os.kill(child(gateway), signal.SIGKILL)
    until(lambda: gateway.boot_id() not in (None, boot_id), "another process serves")
    until(lambda: not is_alive(tool, None), "the tool is killed")
    until(lambda: children(supervisor(gateway)) == [child(gateway)], "and reaped")
    tool = start_tool(gateway, 60)
    os.kill(supervisor(gateway), signal.SIGTERM)
    assert gateway.wait_until_ended() == 0
    until(lambda: not is_alive(tool, None), "a stop leaves none behind")


def test_a_container_that_was_killed_starts_again_with_the_same_state(start: Start, container: tuple[str, ...]) -> None:
    first = start(within=container)
    stale = first.lock()
    os.kill(supervisor(first), signal.SIGKILL)
    first.wait_until_ended()
    assert first.lock_file() is not None, "its lock is left, and names a process 1, which there always is"
    second = start(within=container)
    info = second.lock()
    assert info is not None
    assert stale is not None
    assert info.boot_id != stale.boot_id
    assert (info.pid == stale.pid) == bool(container)


def test_a_lock_that_was_left_by_a_process_with_this_very_pid_is_nobody_s(start: Start, home: Path) -> None:
    gateway = start()
    path = gateway.lock_file()
    assert path is not None
    gateway.signal(signal.SIGTERM)
    assert gateway.wait_until_ended() == 0
    alive = LockInfo(os.getpid(), start_time(os.getpid()), str(home / ".xopc" / "xopc.json"), "2026-01-02T03:04:05Z")
    path.write_text(alive.to_json())
    assert start().process.poll() is None


def test_commands_in_the_container_restart_and_stop_it(contained: Gateway, container: tuple[str, ...]) -> None:
    enter: tuple[str, ...] = ()
    if container:
        user = ("--user", "--preserve-credentials") if "--user" in container else ()
        enter = ("nsenter", "--target", str(supervisor(contained)), "--pid", "--mount", *user)

    def xopc(*words: str) -> subprocess.CompletedProcess[str]:
        command = [*enter, XOPC, *words]
        return subprocess.run(
            command, env=contained.environ, cwd=contained.home, capture_output=True, text=True, timeout=40, check=False
        )

    restarted = xopc("gateway", "restart", "--respawn", "--wait", "30s", "--json")
    assert restarted.returncode == 0, restarted.stdout + restarted.stderr
    assert '"result": "healthy"' in restarted.stdout
    stopped = xopc("gateway", "stop")
    assert "Gateway stop signal sent" in stopped.stdout, stopped.stdout + stopped.stderr
    # The end of its process 1 is the end of a container, and of this command in it.
    assert stopped.returncode in ((0, -signal.SIGKILL) if container else (0,))
    assert contained.wait_until_ended() == 0
