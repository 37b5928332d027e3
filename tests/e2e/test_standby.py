"""`gateway.standby`: a spare process waits beside the gateway, and serves when that crashes."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.harness import TOKEN, Gateway, is_refused, until, write_config
from tests.e2e.load import Load
from tests.e2e.spare import cpu_seconds, spares, waiting_spare
from tests.ports import free_port
from xopc_supervisor.contract import is_alive

Start = Callable[..., Gateway]
SETTLED_SECONDS = 3.5
"""After which a spare would have been started."""


def configure(home: Path, **gateway: object) -> None:
    write_config(home, {"gateway": {"auth": {"token": TOKEN}, "standby": True, **gateway}})


def kill_child(gateway: Gateway) -> None:
    os.kill(gateway.child_pid, signal.SIGKILL)


def until_another_serves(gateway: Gateway, before: Any) -> Any:  # noqa: ANN401 - JSON
    """The health of the next process."""
    until(lambda: gateway.boot_id() not in (None, before["bootId"]), "another process serves")
    return gateway.health()


def test_after_a_crash_the_spare_serves_refuses_nobody_and_is_followed_by_another(home: Path, start: Start) -> None:
    configure(home)
    gateway = start()
    for _ in range(2):
        before, spare = gateway.health(), waiting_spare(gateway)
        with Load(gateway.port, "/health", {}).running() as load:
            time.sleep(0.2)
            kill_child(gateway)
            after = until_another_serves(gateway, before)
        assert [failure for failure in load.failures if "Refused" in failure] == []
        assert (after["gatewayPid"], after["pid"]) == (spare, before["pid"])
        restart = gateway.request("GET", "/api/status").json["lastRestart"]
        assert (restart["kind"], restart["reason"]) == ("crash", "killed by SIGKILL")
        assert gateway.child_pid == spare


def test_without_the_setting_no_third_process_runs(gateway: Gateway) -> None:
    time.sleep(SETTLED_SECONDS)
    assert spares(gateway) == []


def test_a_reload_starts_and_ends_the_spare_and_a_restart_in_the_process_keeps_it(home: Path, gateway: Gateway) -> None:
    configure(home)
    gateway.signal(signal.SIGHUP)
    spare = waiting_spare(gateway)
    gateway.signal(signal.SIGUSR1)
    until(lambda: gateway.health()["generation"] == 2, "the second generation serves")
    assert spares(gateway) == [spare]
    configure(home, standby=False)
    gateway.signal(signal.SIGHUP)
    until(lambda: not psutil.pid_exists(spare), "the spare is gone, and reaped")
    assert spares(gateway) == []


def test_a_spare_serves_with_the_configuration_of_the_moment(home: Path, start: Start) -> None:
    configure(home)
    gateway = start()
    before, spare = gateway.health(), waiting_spare(gateway)
    configure(home, auth={"token": "another-invented-token-0123"})
    kill_child(gateway)
    assert until_another_serves(gateway, before)["gatewayPid"] == spare
    assert gateway.request("GET", "/api/status").status == 401
    assert gateway.request("GET", "/api/status", token="another-invented-token-0123").status == 200


def test_a_spare_that_finds_a_broken_configuration_gives_way_to_the_accepted_one(home: Path, start: Start) -> None:
    configure(home)
    gateway = start()
    before, spare = gateway.health(), waiting_spare(gateway)
    (gateway.state / "xopc.json").write_text('{"gateway": {"port": "many"}}')
    kill_child(gateway)
    after = until_another_serves(gateway, before)
    assert after["gatewayPid"] != spare
    assert after["problems"] == ["configuration"]


def test_a_respawn_takes_the_place_of_the_spare_and_another_one_follows(home: Path, start: Start) -> None:
    configure(home)
    gateway = start()
    before, spare = gateway.health(), waiting_spare(gateway)
    done = gateway.xopc("gateway", "restart", "--respawn", "--wait", "30s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert gateway.health()["gatewayPid"] not in (before["gatewayPid"], spare)
    assert waiting_spare(gateway) != spare


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_spare_ends_with_its_supervisor(home: Path, start: Start, number: int) -> None:
    configure(home)
    gateway = start()
    spare = waiting_spare(gateway)
    gateway.signal(number)
    gateway.wait_until_ended()
    until(lambda: not is_alive(spare, None), "the spare is gone")


def test_a_spare_that_waits_costs_no_processor_time(home: Path, start: Start) -> None:
    configure(home)
    spare = waiting_spare(start())
    used = cpu_seconds(spare)
    time.sleep(2)
    assert cpu_seconds(spare) - used < 0.02  # a tick, for what it may have had left to do


@pytest.mark.parametrize("crashes", [True, False])
def test_a_port_that_is_given_up_while_a_spare_waits_is_free(home: Path, crashes: bool) -> None:
    before, after = free_port(), free_port()
    configure(home, port=before)
    with contextlib.ExitStack() as ending:
        gateway = Gateway(home)
        ending.callback(gateway.kill)
        gateway.wait_until_ready()
        spare = waiting_spare(gateway)
        configure(home, port=after)
        if crashes:
            kill_child(gateway)
        else:
            gateway.signal(signal.SIGUSR1)
        until(lambda: gateway.port == after and gateway.boot_id(), "it serves at the new port")
        assert (gateway.health()["gatewayPid"] == spare) is crashes
        until(lambda: is_refused(before), "nobody listens at the old port")
