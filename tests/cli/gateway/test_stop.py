"""`xopc gateway stop`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gateway import Behaviour, configure, running_gateway, stranger
from xopc.cli.gateway import stop as module
from xopc.cli.gateway.stop import stop, stop_and_wait
from xopc.cli.gateway.target import find_target
from xopc_supervisor.contract import LockInfo, start_time


def stop_as_json(capsys: pytest.CaptureFixture[str], code: int = 0) -> Any:  # noqa: ANN401 - JSON
    assert stop(as_json=True) == code
    return json.loads(capsys.readouterr().out)


def test_row_033_a_running_gateway_is_stopped_and_waited_for(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home) as gateway:
        assert stop() == 0
        assert gateway.process.wait(1) == 0
    sent = f"✅ Gateway stop signal sent to unmanaged process on port {gateway.port}: {gateway.pid}.\n"
    assert capsys.readouterr().out == f"{sent}✅ Gateway stopped.\n"


def test_row_032_as_json(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home) as gateway:
        shown = stop_as_json(capsys)
    message = f"Gateway stop signal sent to unmanaged process on port {gateway.port}: {gateway.pid}."
    assert shown == {"ok": True, "result": "stopped", "message": message, "warnings": []}


def test_nothing_that_runs_is_no_failure(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home) as gateway:
        pass
    configure(home, port=gateway.port)
    assert stop_as_json(capsys)["result"] == "not-loaded"
    assert stop() == 0
    assert capsys.readouterr().out == "✅ Gateway service not loaded.\n💡 Start with: xopc gateway\n"


def test_without_a_lock_the_verified_gateway_at_the_port_is_stopped(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_gateway(home, Behaviour(locked=False)) as gateway:
        configure(home, port=gateway.port)
        assert stop_as_json(capsys)["result"] == "stopped"
        assert gateway.process.wait(1) == 0


def test_row_034_a_stranger_at_the_port_is_refused_and_survives(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with stranger(home) as process:
        configure(home, port=process.port)
        assert stop() == 1
        assert capsys.readouterr().err == (
            f"❌ Gateway stop failed: refusing to signal non-gateway process pid {process.pid}\n"
        )
        shown = stop_as_json(capsys, 1)
        assert shown["ok"] is False
        assert f"refusing to signal non-gateway process pid {process.pid}" in shown["error"]
        assert process.process.poll() is None


def test_a_lock_that_names_a_stranger_does_not_get_it_killed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = find_target(None).paths.lock_path
    path.parent.mkdir(parents=True)
    with stranger(home) as process:
        path.write_text(LockInfo(process.pid, start_time(process.pid), "", "").to_json())
        assert "refusing to signal non-gateway process" in stop_as_json(capsys, 1)["error"]
        assert process.process.poll() is None


def test_an_orphan_of_a_dead_supervisor_is_stopped(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with running_gateway(home) as gateway:
        path = find_target(None).paths.lock_path
        info = LockInfo.from_json(path.read_text())
        assert info is not None
        child = {"child_pid": gateway.pid, "child_start_time": info.start_time}
        path.write_text(info._replace(pid=ended.pid, start_time=1, **child).to_json())
        assert stop_as_json(capsys)["result"] == "stopped"
        assert gateway.process.wait(1) == 0


def test_one_that_ends_in_this_moment_is_stopped(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home):
        target = find_target(None)
    assert stop_and_wait(target, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["result"] == "stopped"


def test_one_that_does_not_end_in_time_is_still_stopping(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.3)
    with running_gateway(home, Behaviour(on_term="ignore")) as gateway:
        began = time.monotonic()
        shown = stop_as_json(capsys)
        assert 0.3 <= time.monotonic() - began < 3
        assert gateway.process.poll() is None
    assert shown["result"] == "stopping"
    assert shown["warnings"] == [f"Gateway is still stopping after 0.3 s (pid {gateway.pid}). See `xopc gateway logs`."]


def test_who_takes_the_port_afterwards_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home) as gateway, stranger(home) as process:
        path = find_target(None).paths.lock_path
        info = LockInfo.from_json(path.read_text())
        assert info is not None
        path.write_text(info._replace(port=process.port).to_json())
        configure(home, port=process.port)
        assert stop() == 0
        assert gateway.process.wait(1) == 0
    shown = capsys.readouterr().out
    assert f"⚠️  Port {process.port} is now used by pid {process.pid}.\n" in shown


def test_a_broken_configuration_does_not_keep_a_gateway_running(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_gateway(home) as gateway:
        configure(home, port="x")
        assert stop_as_json(capsys)["result"] == "stopped"
        assert gateway.process.wait(1) == 0
    assert "$.gateway.port" in stop_as_json(capsys, 1)["error"]


def test_one_that_a_service_manager_keeps_running_is_stopped_with_a_warning(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XOPC_SERVICE_MARKER", "systemd")
    with running_gateway(home) as gateway:
        shown = stop_as_json(capsys)
        assert gateway.process.wait(1) == 0
    assert shown["result"] == "stopped"
    (warning,) = shown["warnings"]
    assert warning.startswith(f"systemd keeps this gateway running (pid {gateway.pid}), and may start it again: stop ")
