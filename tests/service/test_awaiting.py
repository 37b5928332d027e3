"""Whether a restart is over."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from attrs import evolve

from tests.fakes.gateway import TOKEN, Behaviour, Running, running_gateway, stranger
from xopc.client.http import Client
from xopc.config.paths import resolve_paths
from xopc.service.awaiting import Outcome, Snapshot, await_restart
from xopc.service.lockfile import read_lock
from xopc.service.sight import Mark, Obstacle, Place, Step
from xopc_supervisor.contract import LockInfo

NOTHING = Obstacle()


def wait_for(
    gateway: Running,
    seconds: float,
    *,
    generation: int = 1,
    port: int | None = None,
    vain: list[int] | None = None,
    expected_version: str | None = None,
    before: Obstacle = NOTHING,
) -> Snapshot:
    """Wait for a restart of the gateway, as `xopc gateway restart` does. `vain` gets an item for each look in vain."""
    lock_path = resolve_paths({"XOPC_HOME": str(gateway.home)}).lock_path
    mark = Mark(gateway.pid, "a-boot", generation, datetime.now(UTC), before, expected_version)
    at = port or gateway.port
    looks = [] if vain is None else vain

    def place() -> Place:
        return Place(read_lock(lock_path), Client(f"http://127.0.0.1:{at}", TOKEN), at)

    return await_restart(mark, place, seconds, lambda: looks.append(1))


def test_a_restart_is_over_when_another_generation_serves(home: Path) -> None:
    with running_gateway(home, Behaviour(restart_seconds=0.2)) as gateway:
        os.kill(gateway.pid, signal.SIGUSR1)
        vain: list[int] = []
        snapshot = wait_for(gateway, 10, vain=vain)
    assert snapshot.outcome is Outcome.HEALTHY
    assert 150 <= snapshot.elapsed_ms < 5000
    assert vain
    shown = snapshot.to_json()
    runtime = {"status": "running", "pid": gateway.pid, "state": "serving", "problem": None}
    assert shown["runtime"] == runtime
    assert (shown["expectedVersion"], shown["versionMismatch"]) == (None, None)
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
    runtime = {"status": "stopped", "pid": None, "state": None, "problem": None}
    assert snapshot.to_json()["runtime"] == runtime


def test_a_stranger_at_the_port_of_a_dead_gateway_is_waited_out(home: Path) -> None:
    with running_gateway(home) as gateway:
        pass
    with stranger(home) as process:
        snapshot = wait_for(gateway, 0.2, port=process.port)
    assert snapshot.outcome is Outcome.TIMEOUT
    assert snapshot.last.failed is Step.PROCESS


def tell(gateway: Running, **fields: str | None) -> None:
    """Change what the lock says."""
    path = resolve_paths({"XOPC_HOME": str(gateway.home)}).lock_path
    info = LockInfo.from_json(path.read_text())
    assert info is not None
    path.write_text(info._replace(**fields).to_json())  # type: ignore[arg-type]  # the tests name real fields


DECLINED = "the new process could not take over (no memory); the one before goes on"


def test_row_049_the_version_is_compared_where_one_is_expected(home: Path) -> None:
    with running_gateway(home) as gateway:
        os.kill(gateway.pid, signal.SIGUSR1)
        assert wait_for(gateway, 10, expected_version="0.1.0").outcome is Outcome.HEALTHY
        began = time.monotonic()
        snapshot = wait_for(gateway, 10, expected_version="0.2.0")
        assert time.monotonic() - began < 5, "waiting does not change the version"
    assert snapshot.outcome is Outcome.VERSION_MISMATCH
    assert snapshot.last.failed is Step.VERSION
    shown = snapshot.to_json()
    assert shown["versionMismatch"] == {"expected": "0.2.0", "actual": "0.1.0"}
    assert shown["expectedVersion"] == "0.2.0"
    assert (shown["healthy"], shown["detail"]) == (False, f"pid {gateway.pid} is version 0.1.0, not 0.2.0")


def test_a_hand_over_that_the_supervisor_declined_ends_the_wait_at_once(home: Path) -> None:
    with running_gateway(home) as gateway:
        timer = threading.Timer(0.2, tell, [gateway], {"problem": DECLINED})
        timer.start()
        began = time.monotonic()
        snapshot = wait_for(gateway, 20)
        assert time.monotonic() - began < 5
        timer.join()
    assert snapshot.outcome is Outcome.DECLINED
    assert snapshot.last.detail == f"pid {gateway.pid} still serves generation 1: {DECLINED}"
    assert snapshot.to_json()["runtime"]["problem"] == DECLINED


def test_a_problem_that_stood_before_does_not_count_until_it_comes_again(home: Path) -> None:
    with running_gateway(home) as gateway:
        tell(gateway, problem=DECLINED)
        assert wait_for(gateway, 0.3, before=Obstacle(DECLINED)).outcome is Outcome.TIMEOUT
        tell(gateway, state="handing-over")
        timer = threading.Timer(0.3, tell, [gateway], {"state": "serving"})
        timer.start()
        assert wait_for(gateway, 20, before=Obstacle(DECLINED)).outcome is Outcome.DECLINED
        timer.join()


@pytest.mark.parametrize("code", ["hand-over", "configuration"])
def test_a_problem_that_only_the_gateway_knows_counts_too(home: Path, code: str) -> None:
    with running_gateway(home, Behaviour(problems=("storage", code))) as gateway:
        snapshot = wait_for(gateway, 20)
        assert snapshot.outcome is Outcome.DECLINED
        obstacle = snapshot.last.obstacle
        assert obstacle is not None
        assert obstacle.message == f"{code}: a message"
        assert wait_for(gateway, 0.3, before=obstacle).outcome is Outcome.TIMEOUT
        earlier = evolve(obstacle, since="2026-01-01T12:00:00.000Z")
        assert wait_for(gateway, 20, before=earlier).outcome is Outcome.DECLINED, "it came again"
    with running_gateway(home, Behaviour(problems=(code,), token="another token of 32 characters..")) as gateway:
        snapshot = wait_for(gateway, 20)
    assert snapshot.outcome is Outcome.DECLINED
    assert snapshot.last.obstacle == Obstacle("the restart was refused; the log tells why")


def test_a_refusal_that_the_gateway_dates_counts_before_an_older_one_of_its_supervisor(home: Path) -> None:
    with running_gateway(home, Behaviour(problems=("configuration",))) as gateway:
        tell(gateway, state="degraded", problem=DECLINED)
        stood = Obstacle("configuration: a message", "2026-01-01T12:00:00.000Z")
        snapshot = wait_for(gateway, 20, before=stood)
    assert snapshot.outcome is Outcome.DECLINED
    assert snapshot.last.obstacle is not None
    assert snapshot.last.obstacle.message == stood.message
    assert snapshot.last.obstacle.since > stood.since


def test_one_whose_new_process_prepares_is_said_to_serve(home: Path) -> None:
    with running_gateway(home) as gateway:
        tell(gateway, state="handing-over")
        snapshot = wait_for(gateway, 0.2)
    assert snapshot.outcome is Outcome.TIMEOUT
    assert snapshot.last.detail == f"pid {gateway.pid} serves, and a new process prepares to take over"


def test_another_problem_of_the_gateway_declines_nothing(home: Path) -> None:
    with running_gateway(home, Behaviour(problems=("storage", "log"))) as gateway:
        assert wait_for(gateway, 0.3).outcome is Outcome.TIMEOUT


@pytest.mark.parametrize("state", ["starting", "backing-off", "crash-looping"])
def test_a_gateway_that_crashes_is_waited_for_and_told_with_its_problem(home: Path, state: str) -> None:
    with running_gateway(home) as gateway:
        tell(gateway, state=state, problem="it crashed: exit code 1")
        snapshot = wait_for(gateway, 0.3, generation=0)
        assert snapshot.outcome is Outcome.TIMEOUT
        assert snapshot.last.failed is Step.PROCESS
        assert snapshot.last.detail == f"pid {gateway.pid} is {state}: it crashed: exit code 1"
        tell(gateway, state="serving", problem=None)
        assert wait_for(gateway, 5, generation=0).outcome is Outcome.HEALTHY


def test_the_credential_is_not_shown_to_another_process_at_the_port(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    odd = Behaviour(boot_id="other", problems=("hand-over",))
    with running_gateway(home) as gateway, running_gateway(elsewhere, odd) as other:
        wait_for(gateway, 0.2, port=other.port)
        assert {request.split()[1] for request in other.requests()} == {"None"}
