"""`xopc gateway restart` where a service manager keeps the gateway running."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tests.fakes.gateway import configure, running_gateway
from tests.fakes.service_managers import FakeManagers
from tests.ports import free_port
from xopc.cli.gateway import managed
from xopc.cli.gateway.managed import find_service
from xopc.cli.gateway.restart import restart
from xopc.cli.gateway.restart_service import restart_service
from xopc.cli.gateway.restarting import Request
from xopc.cli.gateway.service.install import install
from xopc.cli.gateway.service.start import start
from xopc.cli.gateway.stop import stop
from xopc.cli.gateway.target import find_target
from xopc.cli.options import Duration
from xopc.config.setup import generate_token
from xopc.service.managers.base import Runtime, RuntimeStatus
from xopc.service.managers.systemd import Systemd
from xopc_supervisor.contract import RESPAWN

UNIT = "user:xopc-gateway.service"


@pytest.fixture
def installed(home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]) -> FakeManagers:
    configure(home, port=free_port())
    assert install() == 0
    capsys.readouterr()
    return managers


def restart_as_json(capsys: pytest.CaptureFixture[str], code: int = 0, **options: Any) -> Any:  # noqa: ANN401 - JSON
    capsys.readouterr()
    assert restart(as_json=True, **options) == code
    return json.loads(capsys.readouterr().out)


def test_rows_040_084_the_manager_restarts_it(
    home: Path, installed: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home) as gateway:
        installed.adopt(UNIT, gateway.pid)
        assert restart() == 0
        assert gateway.process.wait(1) == 0
    assert capsys.readouterr().out == "✅ Gateway restart completed.\n"
    assert installed.calls_of("systemctl", "restart") == [["--user", "--no-pager", "restart", "xopc-gateway.service"]]


def test_rows_043_044_the_intent_is_there_while_the_manager_works_and_gone_after(
    home: Path, installed: FakeManagers
) -> None:
    with running_gateway(home) as gateway:
        installed.adopt(UNIT, gateway.pid)
        assert restart() == 0
    (call,) = [call for call in installed.calls if "restart" in call.argv]
    assert call.intent
    assert not find_target(None).paths.intent_path.exists()


def test_row_044_the_intent_is_gone_after_a_failure_too(
    home: Path, installed: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    installed.fail("systemctl", "restart", text="Job failed.")
    with running_gateway(home) as gateway:
        installed.adopt(UNIT, gateway.pid)
        assert restart() == 1
    shown = capsys.readouterr().err
    assert shown.startswith(
        "❌ Gateway restart failed: `systemctl --user --no-pager restart xopc-gateway.service` ended"
    )
    assert "Job failed." in shown
    assert not find_target(None).paths.intent_path.exists()


def test_row_045_with_wait_a_real_gateway_is_proved_to_be_another_one(
    installed: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    installed.set(runs=True)
    assert start() == 0
    before = installed.pid(UNIT)
    shown = restart_as_json(capsys, wait=Duration(30))
    after = installed.pid(UNIT)
    assert (shown["result"], shown["mode"]) == ("healthy", "respawn")
    assert f"(pid {after}, " in shown["message"]
    assert after != before
    runtime = shown["snapshot"]["runtime"]
    assert (runtime["status"], runtime["pid"], runtime["lastExitStatus"]) == ("running", after, 0)
    assert stop() == 0


def test_row_046_a_service_without_a_process_is_not_healthy(
    installed: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    installed.fail("systemctl", "restart", text="Job for xopc-gateway.service failed.")
    shown = restart_as_json(capsys, 1, wait=Duration(1))
    assert (shown["ok"], shown["error"]) == (False, "Restart health check failed: timeout")
    assert shown["snapshot"]["failedStep"] == "process"
    assert "the service does not run: inactive (dead)" in shown["diagnostics"][0]
    assert "Job for xopc-gateway.service failed." in shown["diagnostics"][-1]
    assert "xopc gateway logs" in shown["hints"]


class Patient(Systemd):
    """A manager that waits for its service for longer than anybody wants to."""

    def restart(self) -> None:
        time.sleep(60)

    def runtime(self) -> Runtime:
        return Runtime(RuntimeStatus.UNKNOWN, state="activating (start)")


def test_row_050_a_wait_ends_in_its_time_though_the_manager_does_not(
    home: Path, installed: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    target = find_target(None)
    service = find_service(target)
    assert service is not None
    patient = Patient("xopc-gateway", home, {})
    request = Request(RESPAWN, "because", 0.5, None, as_json=False)
    began = time.monotonic()
    assert restart_service(target, evolve(service, manager=patient), request) == 1
    assert time.monotonic() - began < 30
    shown = capsys.readouterr().err
    assert shown.startswith("❌ Restart health check failed: timeout\n")
    assert "the service does not run: activating (start) (unknown)" in shown
    assert "Process: none has come\n" in shown


def test_a_configuration_that_would_be_refused_ends_nobody(
    home: Path, installed: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home) as gateway:
        installed.adopt(UNIT, gateway.pid)
        configure(home, port="high")
        assert restart() == 1
        shown = capsys.readouterr().err
        assert "$.gateway.port: must be a whole number" in shown
        assert shown.endswith("; it goes on as it is\n")
        assert gateway.process.poll() is None
    assert installed.calls_of("systemctl", "restart") == []


def test_a_program_that_is_gone_ends_nobody(
    home: Path, installed: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    unit = home / ".config" / "systemd" / "user" / "xopc-gateway.service"
    unit.write_text(unit.read_text().replace("ExecStart=", "ExecStart=/nowhere/xopc #"))
    with running_gateway(home) as gateway:
        installed.adopt(UNIT, gateway.pid)
        shown = restart_as_json(capsys, 1)
        assert gateway.process.poll() is None
    assert shown["error"] == (
        "Gateway restart failed: Service program not found on disk: /nowhere/xopc; it goes on as it is"
    )
    assert shown["hints"] == ["Run: xopc gateway service install --force"]
    assert installed.calls_of("systemctl", "restart") == []


def test_a_service_that_is_down_is_started(installed: FakeManagers, capsys: pytest.CaptureFixture[str]) -> None:
    assert restart_as_json(capsys)["result"] == "restarted"
    assert installed.pid(UNIT) is not None


def test_one_that_was_put_off_stays_off_and_its_start_is_named(
    installed: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stop(disable=True) == 0
    capsys.readouterr()
    assert restart() == 0
    shown = "✅ Gateway service not loaded.\n💡 Start with: xopc gateway service start\n"
    assert capsys.readouterr().out == shown
    assert installed.pid(UNIT) is None


def test_a_gateway_that_was_started_by_hand_restarts_itself_and_is_told_of(
    home: Path, installed: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home) as gateway:
        (warning,) = restart_as_json(capsys)["warnings"]
        assert warning.endswith(f"this gateway (pid {gateway.pid}) was started by hand.")
        assert gateway.process.poll() is None
    assert installed.calls_of("systemctl", "restart") == []


def test_another_user_than_root_restarts_the_machines_service_by_signal(
    home: Path, installed: FakeManagers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(managed, "is_of_machine", bool)  # of every one
    with running_gateway(home) as gateway:
        installed.adopt(UNIT, gateway.pid)
        monkeypatch.setattr(os, "getuid", lambda: 1000)
        assert "signal sent" in restart_as_json(capsys)["message"]
        assert gateway.process.poll() is None
    assert installed.calls_of("systemctl", "restart") == []


def test_a_token_that_is_not_the_configurations_is_told_of(
    home: Path, installed: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home, auth={"token": generate_token()})
    (warning,) = restart_as_json(capsys)["warnings"]
    cure = "Run `xopc gateway service install --force` to sync."
    assert warning == f"Token drift detected: service token differs from config. {cure}"
