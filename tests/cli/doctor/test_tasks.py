from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fakes.gateway import TOKEN, Behaviour, configure, running_gateway
from tests.fakes.web_server import serving
from xopc.cli.doctor.check import Result, Sight
from xopc.cli.doctor.tasks import look_at_tasks
from xopc.cli.gateway.target import find_target
from xopc_supervisor.contract import LockInfo, start_time


def looked() -> Result:
    return look_at_tasks(Sight(find_target(None)))


def test_without_a_gateway_there_are_none(home: Path) -> None:
    assert looked().skipped


def test_tasks_that_run_are_fine(home: Path) -> None:
    with running_gateway(home):
        assert looked() == Result("All that should run in it runs")


@pytest.mark.parametrize(
    ("state", "title"),
    [
        ("failed", "It has failed, and is not started again"),
        ("backing-off", "It fails, and is tried again"),
    ],
)
def test_one_that_fails_is_critical(home: Path, state: str, title: str) -> None:
    with running_gateway(home, Behaviour(channels=state)):
        (fault,) = looked().faults
    assert (fault.check_id, fault.title, fault.where) == ("gateway.task-failed", title, "channels")
    assert fault.detail == "no network"


def test_a_gateway_that_shows_none_is_skipped(home: Path) -> None:
    health = {"status": "healthy", "service": "xopc-gateway", "version": "0.1.0"}
    with serving({"/api/health": (200, health), "/api/status": (200, {"port": 1})}) as url:
        port = int(url.rpartition(":")[2])
        configure(home, port=port)
        lock = find_target(None).paths.lock_path
        lock.parent.mkdir(parents=True)
        lock.write_text(LockInfo(os.getpid(), start_time(os.getpid()), "", "", host="127.0.0.1", port=port).to_json())
        assert looked().summary.startswith("the gateway does not show its tasks")
    assert TOKEN not in looked().summary
