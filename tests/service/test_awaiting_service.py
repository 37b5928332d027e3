"""Whether a restart is over, where the manager of a service is asked as well."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.fakes.gateway import TOKEN, Behaviour, Running, running_gateway
from xopc.client.http import Client
from xopc.config.paths import resolve_paths
from xopc.service.awaiting import Outcome, Snapshot, await_restart
from xopc.service.lockfile import read_lock
from xopc.service.managers.base import Runtime, RuntimeStatus
from xopc.service.sight import Mark, Place, Step


def wait_for(gateway: Running, runtime: Runtime, seconds: float) -> Snapshot:
    """Wait for another generation than the first, while the manager says `runtime`."""
    lock_path = resolve_paths({"XOPC_HOME": str(gateway.home)}).lock_path
    mark = Mark(gateway.pid, "a-boot", 1, datetime.now(UTC))

    def place() -> Place:
        client = Client(f"http://127.0.0.1:{gateway.port}", TOKEN)
        return Place(read_lock(lock_path), client, gateway.port, runtime)

    return await_restart(mark, place, seconds, lambda: None)


def restarted(gateway: Running, runtime: Runtime, seconds: float) -> Snapshot:
    os.kill(gateway.pid, signal.SIGUSR1)
    return wait_for(gateway, runtime, seconds)


def test_one_that_the_manager_names_is_healthy(home: Path) -> None:
    with running_gateway(home, Behaviour(restart_seconds=0.1)) as gateway:
        snapshot = restarted(gateway, Runtime(RuntimeStatus.RUNNING, gateway.pid, 0, "active (running)"), 10)
    assert snapshot.outcome is Outcome.HEALTHY
    runtime = snapshot.to_json()["runtime"]
    assert (runtime["status"], runtime["pid"], runtime["lastExitStatus"]) == ("running", gateway.pid, 0)
    assert runtime["service"] == "active (running)"


@pytest.mark.parametrize(
    ("runtime", "detail"),
    [
        (
            Runtime(RuntimeStatus.STOPPED, None, 78, "failed (failed), exit-code"),
            "the service does not run: failed (failed), exit-code (exit status 78)",
        ),
        (Runtime(RuntimeStatus.RUNNING), "the service does not run: its manager names no process (running)"),
        (
            Runtime(RuntimeStatus.UNKNOWN, 5, 0, "activating (start)"),
            "the service does not run: activating (start) (unknown)",
        ),
    ],
)
def test_row_046_what_the_manager_does_not_have_running_is_not_healthy(
    home: Path, runtime: Runtime, detail: str
) -> None:
    with running_gateway(home) as gateway:
        snapshot = restarted(gateway, runtime, 0.3)
    assert snapshot.last.failed is Step.PROCESS
    assert snapshot.last.detail == detail
    assert snapshot.to_json()["runtime"]["status"] == runtime.status.value


def test_a_gateway_that_is_not_the_managers_is_not_the_one_that_was_restarted(home: Path) -> None:
    with running_gateway(home) as gateway:
        snapshot = restarted(gateway, Runtime(RuntimeStatus.RUNNING, os.getpid()), 0.5)
    assert snapshot.last.failed is Step.PROCESS
    assert snapshot.last.detail == f"pid {gateway.pid} has the lock, and the service is pid {os.getpid()}"
