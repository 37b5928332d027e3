"""Whether a restart is over."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gateway import Behaviour, Running, running_gateway, stranger
from xopc.client.http import Client
from xopc.config.paths import resolve_paths
from xopc.service.lockfile import read_lock
from xopc.service.probe import Mark, Outcome, Place, Snapshot, Step, await_restart

NOW = datetime(2026, 1, 1, 12, 0, 0, 500_000, UTC)


def wait_for(
    gateway: Running, seconds: float, *, generation: int = 1, port: int | None = None, vain: list[int] | None = None
) -> Snapshot:
    """Wait for a restart of the gateway, as `xopc gateway restart` does. `vain` gets an item for each look in vain."""
    lock_path = resolve_paths({"XOPC_HOME": str(gateway.home)}).lock_path
    mark = Mark(gateway.pid, "a-boot", generation, datetime.now(UTC))
    at = port or gateway.port
    looks = [] if vain is None else vain

    def place() -> Place:
        return Place(read_lock(lock_path), Client(f"http://127.0.0.1:{at}"), at)

    return await_restart(mark, place, seconds, lambda: looks.append(1))


SAME: dict[str, Any] = {"pid": 1, "bootId": "b", "generation": 3, "startedAt": "2026-01-01T11:00:00.000Z"}


def a_mark(boot_id: str | None = "b", generation: int | None = 3, at: datetime = NOW) -> Mark:
    return Mark(1, boot_id, generation, at)


@pytest.mark.parametrize("changed", [{"pid": 2}, {"bootId": "c"}, {"generation": 4}, {"generation": 1}])
def test_another_process_boot_or_generation_is_a_restart(changed: dict[str, object]) -> None:
    assert a_mark().is_left_behind({**SAME, **changed})


def test_the_same_process_and_generation_is_none() -> None:
    assert not a_mark().is_left_behind(SAME)
    assert not a_mark(boot_id=None).is_left_behind({**SAME, "bootId": "c"})


@pytest.mark.parametrize(
    ("started", "restarted"),
    [
        ("2026-01-01T12:00:00.499Z", False),
        ("2026-01-01T12:00:00.500Z", True),
        ("2026-01-01T13:00:01.000+01:00", True),
        ("2026-01-01T12:00:01.000", False),
        ("soon", False),
        (None, False),
    ],
)
def test_without_a_known_generation_its_start_decides(started: str | None, restarted: bool) -> None:
    mark = a_mark(generation=None, at=NOW + timedelta(microseconds=300))
    assert mark.is_left_behind({**SAME, "startedAt": started}) is restarted


def test_a_restart_is_over_when_another_generation_serves(home: Path) -> None:
    with running_gateway(home, Behaviour(restart_seconds=0.2)) as gateway:
        os.kill(gateway.pid, signal.SIGUSR1)
        vain: list[int] = []
        snapshot = wait_for(gateway, 10, vain=vain)
    assert snapshot.outcome is Outcome.HEALTHY
    assert 150 <= snapshot.elapsed_ms < 5000
    assert vain
    shown = snapshot.to_json()
    assert shown["runtime"] == {"status": "running", "pid": gateway.pid}
    assert shown["portUsage"]["status"] == "busy"
    assert (shown["healthy"], shown["waitOutcome"], shown["failedStep"]) == (True, "healthy", None)
    assert (shown["gatewayVersion"], shown["staleGatewayPids"]) == ("0.1.0", [])


def test_one_that_goes_on_as_before_has_not_restarted(home: Path) -> None:
    with running_gateway(home) as gateway:
        snapshot = wait_for(gateway, 0.3)
    assert snapshot.outcome is Outcome.TIMEOUT
    assert snapshot.last.failed is Step.PROCESS
    assert snapshot.last.detail == f"pid {gateway.pid} still serves generation 1"
    assert snapshot.to_json()["portUsage"]["listeners"][0]["pid"] == gateway.pid


def test_one_that_is_still_restarting_is_not_healthy(home: Path) -> None:
    with running_gateway(home, Behaviour(restart_seconds=5)) as gateway:
        os.kill(gateway.pid, signal.SIGUSR1)
        time.sleep(0.1)
        snapshot = wait_for(gateway, 0.2)
    assert snapshot.last.detail == f"pid {gateway.pid} is still restarting"


def test_row_048_one_that_answers_500_is_not_healthy(home: Path) -> None:
    with running_gateway(home, Behaviour(health_code=500)) as gateway:
        snapshot = wait_for(gateway, 0.2, generation=0)
    assert snapshot.outcome is Outcome.TIMEOUT
    assert snapshot.last.failed is Step.HTTP
    assert "HTTP 500" in snapshot.last.detail


def test_one_that_does_not_answer_is_not_healthy(home: Path) -> None:
    with running_gateway(home) as gateway:
        os.kill(gateway.pid, signal.SIGSTOP)
        snapshot = wait_for(gateway, 0.3)
    assert snapshot.last.failed is Step.HTTP
    assert snapshot.last.pid == gateway.pid


def test_the_answer_of_another_gateway_does_not_count(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with running_gateway(home) as gateway, running_gateway(elsewhere, Behaviour(boot_id="other")) as other:
        snapshot = wait_for(gateway, 0.2, port=other.port)
    assert snapshot.outcome is Outcome.STALE_PIDS
    assert snapshot.last.failed is Step.PORT
    assert snapshot.to_json()["staleGatewayPids"] == [other.pid]


def test_row_047_another_process_at_the_port_does_not_count(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # It answers as the right boot and generation, but is not the process that the lock names.
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with running_gateway(home) as gateway, running_gateway(elsewhere) as other:
        snapshot = wait_for(gateway, 0.2, generation=0, port=other.port)
    assert snapshot.last.failed is Step.PORT
    assert snapshot.last.detail == f"another process than pid {gateway.pid} listens at port {other.port}"


def test_where_nothing_comes_any_more_it_is_not_waited_out(home: Path) -> None:
    with running_gateway(home) as gateway:
        pass
    snapshot = wait_for(gateway, 20)
    assert snapshot.outcome is Outcome.STOPPED_FREE
    assert 5000 <= snapshot.elapsed_ms < 8000
    assert snapshot.to_json()["runtime"] == {"status": "stopped", "pid": None}


def test_a_stranger_at_the_port_of_a_dead_gateway_is_waited_out(home: Path) -> None:
    with running_gateway(home) as gateway:
        pass
    with stranger(home) as process:
        snapshot = wait_for(gateway, 0.2, port=process.port)
    assert snapshot.outcome is Outcome.TIMEOUT
    assert snapshot.last.failed is Step.PROCESS
