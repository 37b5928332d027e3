"""`xopc gateway stop` where a service manager keeps the gateway running."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.fakes.gateway import configure, running_gateway
from tests.fakes.service_managers import FakeManagers
from tests.ports import free_port
from xopc.cli.gateway import managed
from xopc.cli.gateway.service.install import install
from xopc.cli.gateway.service.start import start
from xopc.cli.gateway.stop import stop
from xopc.service.managers import systemd

UNIT = "user:xopc-gateway.service"


@pytest.fixture
def installed(home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]) -> FakeManagers:
    configure(home, port=free_port())  # at the default one somebody may listen
    assert install() == 0
    capsys.readouterr()
    return managers


def verbs(managers: FakeManagers) -> list[str]:
    """What changes something, of all that was asked of systemctl since."""
    return [word for argv in managers.calls_of("systemctl") for word in argv if word in {"stop", "disable", "restart"}]


def test_rows_030_081_the_manager_stops_it(
    home: Path, installed: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home) as gateway:
        installed.adopt(UNIT, gateway.pid)
        assert stop() == 0
        assert gateway.process.wait(1) == 0
    hint = "It comes back at the next login. To keep it off: xopc gateway stop --disable"
    assert capsys.readouterr().out == f"✅ Gateway stop signal sent.\n💡 {hint}\n"
    assert verbs(installed) == ["stop"]
    assert ["--user", "--no-pager", "stop", "xopc-gateway.service"] in installed.calls_of("systemctl")
    assert not any(call.intent for call in installed.calls), "it is no restart"


def test_row_032_as_json(installed: FakeManagers, capsys: pytest.CaptureFixture[str]) -> None:
    assert start() == 0
    capsys.readouterr()
    assert stop(as_json=True) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["ok"], shown["result"], shown["message"]) == (True, "stopped", "Gateway stop signal sent.")


def test_rows_031_083_disable_keeps_it_off(installed: FakeManagers, capsys: pytest.CaptureFixture[str]) -> None:
    assert stop(disable=True) == 0
    assert capsys.readouterr().out == "✅ Gateway stopped and disabled (will not respawn).\n"
    assert verbs(installed) == ["stop", "disable"]
    assert stop() == 0
    assert capsys.readouterr().out.startswith("✅ Gateway service not loaded.\n")


def test_one_that_was_disabled_and_runs_is_still_the_managers_to_stop(home: Path, installed: FakeManagers) -> None:
    with running_gateway(home) as gateway:
        assert stop(disable=True) == 0
        assert gateway.process.wait(1) == 0
    installed.forget_calls()
    with running_gateway(home) as gateway:
        installed.adopt(UNIT, gateway.pid)
        assert stop() == 0
        assert verbs(installed) == ["stop"], "the manager would start what is killed again"


def test_a_gateway_that_was_started_by_hand_is_stopped_by_signal_and_told_of(
    home: Path, installed: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home) as gateway:
        assert stop() == 0
        assert gateway.process.wait(1) == 0
    shown = capsys.readouterr().out
    assert f"signal sent to unmanaged process on port {gateway.port}: {gateway.pid}." in shown
    assert (
        f"⚠️  The service xopc-gateway is not what runs: this gateway (pid {gateway.pid}) was started by hand." in shown
    )
    assert verbs(installed) == []


def test_a_manager_that_hangs_does_not_keep_a_gateway_that_was_started_by_hand_running(
    home: Path, installed: FakeManagers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "LOOK_SECONDS", 0.5)
    installed.fail("systemctl", seconds=5)
    with running_gateway(home) as gateway:
        began = time.monotonic()
        assert stop() == 0
        assert time.monotonic() - began < 4, "it is asked once"
        assert gateway.process.wait(1) == 0
    shown = capsys.readouterr().out
    assert "⚠️  Linux (systemd) was left out (`systemctl --user --no-pager show" in shown
    assert f"and the gateway (pid {gateway.pid}) asked itself." in shown


def test_a_manager_that_fails_is_told_with_what_it_said(
    installed: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    installed.fail("systemctl", "stop", text="Access denied")
    assert stop() == 1
    assert capsys.readouterr().err.startswith("❌ Gateway stop failed: `systemctl --user --no-pager stop xopc-gateway")
    assert stop(as_json=True) == 1
    assert "Access denied" in json.loads(capsys.readouterr().out)["error"]


def test_the_machines_service_is_stopped_by_root_alone(
    installed: FakeManagers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(managed, "is_of_machine", bool)  # of every one
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert stop(disable=True) == 1
    assert "which root stops: sudo systemctl disable --now xopc-gateway\n" in capsys.readouterr().err
