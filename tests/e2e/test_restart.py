"""Restarting: in the process, by a new process, after a crash; with clients that never stop asking."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.harness import TOKEN, Gateway, until, write_config
from tests.e2e.load import Load
from xopc_supervisor.contract import is_alive

Start = Callable[..., Gateway]
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def generation(gateway: Gateway) -> int:
    """The running generation, or 0 while it restarts."""
    health = gateway.health()
    return health["generation"] if health["status"] == "healthy" else 0


def last_restart(gateway: Gateway) -> Any:  # noqa: ANN401 - JSON
    return gateway.request("GET", "/api/status").json["lastRestart"]


def test_row_100_sigusr1_restarts_in_the_process(gateway: Gateway) -> None:
    before = gateway.health()
    gateway.signal(signal.SIGUSR1)
    until(lambda: generation(gateway) == 2, "the second generation serves")
    after = gateway.health()
    assert after["startedAt"] > before["startedAt"]
    assert (after["pid"], after["gatewayPid"], after["bootId"]) == (
        before["pid"],
        before["gatewayPid"],
        before["bootId"],
    )
    restart = last_restart(gateway)
    assert (restart["kind"], restart["reason"], restart["generation"]) == ("in-process", "SIGUSR1", 2)
    assert restart["durationMs"] >= 0


@pytest.mark.timeout(180)  # fifty restarts, each waited for
@pytest.mark.parametrize(("path", "headers"), [("/health", {}), ("/api/status", BEARER)])
def test_fifty_restarts_in_the_process_fail_no_request(gateway: Gateway, path: str, headers: dict[str, str]) -> None:
    with Load(gateway.port, path, headers).running() as load:
        for number in range(2, 52):
            gateway.signal(signal.SIGUSR1)
            until(lambda n=number: generation(gateway) == n, f"generation {number} serves")
    assert load.failures == []
    assert load.closed_while_idle == 0
    assert load.answered > 200


@pytest.mark.parametrize("path", ["/health", "/api/status"])
def test_a_killed_child_refuses_nobody_and_is_back_at_once(gateway: Gateway, path: str) -> None:
    before = gateway.health()
    with Load(gateway.port, path, BEARER).running() as load:
        time.sleep(0.3)
        os.kill(gateway.child_pid, signal.SIGKILL)
        until(lambda: gateway.child_pid != before["gatewayPid"], "a new child runs")
        until(lambda: generation(gateway) == 1, "the new child serves")
        time.sleep(0.3)
    # What was in flight at the kill is torn; nothing that came later is refused.
    assert [failure for failure in load.failures if "Refused" in failure] == []
    assert len(load.failures) <= 4
    assert load.answered > 50
    after = gateway.health()
    assert after["bootId"] != before["bootId"]
    assert after["pid"] == before["pid"]
    restart = last_restart(gateway)
    assert (restart["kind"], restart["reason"]) == ("crash", "killed by SIGKILL")
    assert restart["durationMs"] > 0


def test_the_child_of_a_killed_supervisor_ends_and_the_next_start_succeeds_at_once(
    gateway: Gateway, start: Start
) -> None:
    child = gateway.child_pid
    gateway.process.kill()
    gateway.process.wait()
    began = time.monotonic()
    second = start()
    assert time.monotonic() - began < 8, "it did not wait until the child could be killed"
    assert not is_alive(child, None)
    assert second.health()["status"] == "healthy"


def test_rows_041_044_053_restart_from_another_terminal(gateway: Gateway) -> None:
    intent = gateway.state / "gateway-restart-intent.json"
    began = time.monotonic()
    done = gateway.xopc("gateway", "restart")
    assert time.monotonic() - began < 2.5
    assert done.returncode == 0, done.stdout + done.stderr
    signalled = f"✅ Gateway restart signal sent to unmanaged process on port {gateway.port}: {gateway.process.pid}."
    assert signalled in done.stdout
    assert not intent.exists()
    until(lambda: generation(gateway) == 2, "the second generation serves")


@pytest.mark.parametrize("wait", ["30s", "20000ms", "1m", "30"])
def test_rows_045_052_restart_waits_until_healthy(gateway: Gateway, wait: str) -> None:
    done = gateway.xopc("gateway", "restart", "--wait", wait, "--reason", "a new key")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✅ Gateway restarted and healthy" in done.stdout
    assert generation(gateway) == 2
    assert last_restart(gateway)["reason"] == "a new key"


def test_row_051_restart_as_json(gateway: Gateway) -> None:
    done = gateway.xopc("gateway", "restart", "--wait", "30s", "--json")
    assert done.returncode == 0
    assert '"result": "healthy"' in done.stdout


def test_a_respawn_serves_from_a_new_process(gateway: Gateway) -> None:
    before = gateway.health()
    with Load(gateway.port, "/health", {}).running() as load:
        done = gateway.xopc("gateway", "restart", "--respawn", "--wait", "30s", "--reason", "fresh memory")
        assert done.returncode == 0, done.stdout + done.stderr
        time.sleep(0.2)
    assert load.failures == []
    after = gateway.health()
    assert after["gatewayPid"] != before["gatewayPid"]
    assert after["pid"] == before["pid"]
    restart = last_restart(gateway)
    assert (restart["kind"], restart["reason"]) == ("respawn", "fresh memory")


def test_rows_044_050_a_restart_that_does_not_come_back_is_told_with_what_was_seen(gateway: Gateway) -> None:
    os.kill(gateway.child_pid, signal.SIGSTOP)
    done = gateway.xopc("gateway", "restart", "--wait", "2s")
    os.kill(gateway.child_pid, signal.SIGCONT)
    shown = done.stdout + done.stderr
    assert done.returncode == 1
    assert "❌ Restart health check failed" in shown
    assert str(gateway.process.pid) in shown
    assert str(gateway.port) in shown
    assert "xopc gateway logs" in shown
    assert not (gateway.state / "gateway-restart-intent.json").exists()


def test_rows_105_106_without_respawn_it_restarts_in_the_process_again_and_again(start: Start) -> None:
    gateway = start(XOPC_NO_RESPAWN="1")
    before = gateway.health()["gatewayPid"]
    for number in (2, 3):
        gateway.signal(signal.SIGUSR1)
        until(lambda n=number: generation(gateway) == n, f"generation {number} serves")
    assert gateway.xopc("gateway", "restart", "--respawn", "--wait", "30s").returncode == 0
    assert generation(gateway) == 4
    assert gateway.health()["gatewayPid"] == before


def test_rows_108_109_the_configuration_can_forbid_restarts(gateway: Gateway) -> None:
    write_config(gateway.home, {"gateway": {"auth": {"token": TOKEN}}, "commands": {"restart": False}})
    gateway.signal(signal.SIGHUP)
    until(lambda: "commands.restart" in gateway.text, "the configuration is reloaded")
    gateway.signal(signal.SIGUSR1)
    until(lambda: "SIGUSR1 restart ignored" in gateway.text, "it says that it ignored the signal")
    done = gateway.xopc("gateway", "restart")
    assert done.returncode == 1
    refusal = "Gateway restart is disabled in config (commands.restart=false)"
    assert refusal in done.stdout + done.stderr
    reply = gateway.request("POST", "/api/restart", body="{}", headers={"Content-Type": "application/json"})
    assert (reply.status, reply.json["error"]["code"]) == (403, "FORBIDDEN")
    assert generation(gateway) == 1


def test_a_reload_of_a_broken_configuration_changes_nothing(gateway: Gateway) -> None:
    write_config(gateway.home, '{"gateway": {"port": "x"}}')
    gateway.signal(signal.SIGHUP)
    until(lambda: "is refused, and the gateway goes on as it was" in gateway.text, "it says so")
    assert generation(gateway) == 1
    assert gateway.request("GET", "/api/status").status == 200


def test_a_reload_changes_the_token(gateway: Gateway) -> None:
    other = "fedcba9876543210fedcba9876543210"
    write_config(gateway.home, {"gateway": {"auth": {"token": other}}})
    gateway.signal(signal.SIGHUP)
    until(lambda: gateway.request("GET", "/api/status").status == 401, "the configuration is reloaded")
    assert gateway.request("GET", "/api/status", token=other).status == 200
    assert generation(gateway) == 1


def test_a_restart_over_the_api_is_answered_before_it_happens(gateway: Gateway) -> None:
    reply = gateway.request(
        "POST", "/api/restart", body='{"reason": "asked by a script"}', headers={"Content-Type": "application/json"}
    )
    assert (reply.status, reply.json["status"], reply.json["generation"]) == (202, "restarting", 1)
    until(lambda: generation(gateway) == 2, "the second generation serves")
    assert last_restart(gateway)["reason"] == "asked by a script"


def test_a_stop_during_a_restart_is_not_held_up_by_it(gateway: Gateway) -> None:
    for _ in range(5):
        gateway.signal(signal.SIGUSR1)
    gateway.signal(signal.SIGTERM)
    assert gateway.wait_until_ended() == 0
    assert gateway.lock_file() is None


def test_row_104_a_process_that_asks_for_a_new_one_is_followed_without_a_quarrel_over_the_lock(
    gateway: Gateway,
) -> None:
    """Exit code 75 and the hand-over stand for the detached process of the contract; see architecture, section 10."""
    before = gateway.lock()
    done = gateway.xopc("gateway", "restart", "--respawn", "--wait", "30s")
    assert done.returncode == 0, done.stdout + done.stderr
    after = gateway.lock()
    assert before is not None
    assert after is not None
    assert (after.pid, after.created_at) == (before.pid, before.created_at), "one owner, all the time"
    assert after.child_pid != before.child_pid
    assert before.child_pid is not None
    assert not is_alive(before.child_pid, before.child_start_time)
    assert "already running" not in gateway.text


def test_row_107_under_a_service_manager_sigusr1_restarts_in_place(start: Start) -> None:
    gateway = start(XOPC_SERVICE_MARKER="systemd")
    before = gateway.health()
    gateway.signal(signal.SIGUSR1)
    until(lambda: generation(gateway) == 2, "the second generation serves")
    assert gateway.process.poll() is None, "the manager's main process stays"
    assert gateway.health()["gatewayPid"] == before["gatewayPid"]


def test_row_049_the_version_that_runs_afterwards_may_be_expected(gateway: Gateway) -> None:
    done = gateway.xopc("gateway", "restart", "--wait", "30s", "--expect-version", "0.1.0")
    assert done.returncode == 0, done.stdout + done.stderr
    done = gateway.xopc("gateway", "restart", "--wait", "30s", "--expect-version", "9.9.9")
    assert done.returncode == 1
    assert "❌ Restart health check failed: version-mismatch\n" in done.stderr
    assert f"Step: version: pid {gateway.process.pid} is version 0.1.0, not 9.9.9\n" in done.stderr


@pytest.mark.parametrize(
    ("flags", "times"),
    # The second time, the problem of the first one still stands.
    [([], 1), (["--respawn"], 2)],
    ids=["in_process", "respawn"],
)
def test_a_restart_that_is_refused_ends_the_wait_at_once_and_says_why(
    gateway: Gateway, flags: list[str], times: int
) -> None:
    write_config(gateway.home, {"gateway": {"auth": {"token": TOKEN}, "port": "x"}})
    for _ in range(times):
        began = time.monotonic()
        done = gateway.xopc("gateway", "restart", "--wait", "30s", *flags)
        assert time.monotonic() - began < 15
        assert done.returncode == 1
        assert "❌ Restart health check failed: declined\n" in done.stderr
        assert "still serves generation 1: " in done.stderr
    assert gateway.health()["generation"] == 1
