"""The service that a gateway may be of."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from attrs import evolve

from tests.fakes.gateway import configure
from tests.fakes.service_managers import FakeManagers
from xopc.cli.gateway.managed import (
    Service,
    announced,
    cures_of_refusal,
    drift_of,
    find_service,
    may_ask,
)
from xopc.cli.gateway.service.install import install
from xopc.cli.gateway.target import find_target
from xopc.service.audit.refusal import refusal_of
from xopc.service.managers.base import Runtime, RuntimeStatus
from xopc.service.managers.systemd import Systemd
from xopc_supervisor.contract import LockInfo

OWNER = LockInfo(4711, None, "", "", boot_id="a-boot")


@pytest.fixture
def service(home: Path, managers: FakeManagers) -> Service:
    configure(home)
    assert install() == 0
    found = find_service(find_target(None))
    assert found is not None
    return found


def test_without_a_service_no_tool_is_asked(home: Path, managers: FakeManagers) -> None:
    configure(home)
    assert find_service(find_target(None)) is None
    assert managers.calls == []


def test_a_service_of_another_configuration_is_not_this_gateways(home: Path, service: Service) -> None:
    assert find_service(find_target(home / "other.json")) is None


def test_who_is_kept_running(service: Service) -> None:
    assert service.loaded
    assert service.is_kept
    put_off = evolve(service, loaded=False)
    assert not put_off.is_kept
    assert evolve(put_off, runtime=Runtime(RuntimeStatus.UNKNOWN)).is_kept, "it is about to be started again"


def test_whose_gateway_runs(service: Service) -> None:
    running = evolve(service, runtime=Runtime(RuntimeStatus.RUNNING, OWNER.pid))
    assert running.runs(OWNER)
    assert running.runs(None)
    assert not service.runs(OWNER)
    assert service.by_hand(OWNER) == (
        "The service xopc-gateway is not what runs: this gateway (pid 4711) was started by hand."
    )


def test_a_restart_is_announced_while_its_manager_works_and_taken_back_after(home: Path) -> None:
    configure(home)
    target = find_target(None)
    path = target.paths.intent_path
    with announced(target, OWNER, "because"):
        told = json.loads(path.read_text())
        assert (told["pid"], told["bootId"], told["mode"], told["reason"]) == (4711, "a-boot", "respawn", "because")
    assert not path.exists()
    with announced(target, None, "because"):
        assert not path.exists(), "there is nobody to tell"


def test_the_machines_service_is_roots_to_ask_for(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    machines = evolve(service, manager=Systemd("xopc-gateway", Path("/etc/systemd/system"), {}, "amy"))
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert may_ask(service)
    assert not may_ask(machines)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert may_ask(machines)


def test_what_this_shell_knows_more_is_a_cure(home: Path, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(home, auth={"token": "${BOT}"})
    assert cures_of_refusal(find_target(None)) == []
    monkeypatch.setenv("BOT", "0123456789abcdef0123")
    assert cures_of_refusal(find_target(None))[0].endswith("xopc gateway service install --force")
    assert install(force=True) == 0
    again = find_service(find_target(None))
    assert again is not None
    assert refusal_of(again.installed, None) is None


def test_a_token_of_its_own_is_told(home: Path, service: Service) -> None:
    assert drift_of(find_target(None), service) == []
    configure(home, auth={"token": "f" * 8 + "0123456789abcdef"})
    (told,) = drift_of(find_target(None), service)
    assert told.startswith("Token drift detected: service token differs from config. Run `xopc gateway service install")
