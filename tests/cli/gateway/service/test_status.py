"""`xopc gateway service status`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import xopc
from tests.fakes.gateway import TOKEN, configure
from tests.fakes.service_managers import FakeManagers
from xopc.cli.gateway.service.install import install
from xopc.cli.gateway.service.status import status
from xopc.config.setup import generate_token


def status_as_json(capsys: pytest.CaptureFixture[str]) -> Any:  # noqa: ANN401 - JSON
    capsys.readouterr()
    assert status(as_json=True) == 0
    return json.loads(capsys.readouterr().out)


def test_row_077_loaded_runtime_and_version(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home)
    assert install() == 0
    capsys.readouterr()
    assert status() == 0
    assert capsys.readouterr().out == (
        "📊 Gateway Service Status\n\n"
        "   Platform: Linux (systemd)\n"
        "   Service: xopc-gateway, systemd (enabled)\n"
        "   Runtime: stopped, inactive (dead)\n"
        "   Port: 18790\n"
        f"   Version: {xopc.__version__}\n"
        f"   Definition: {home}/.config/systemd/user/xopc-gateway.service\n"
    )
    shown = status_as_json(capsys)
    assert (shown["available"], shown["loaded"], shown["label"]) == (True, True, "xopc-gateway")
    assert shown["runtime"]["status"] == "stopped"
    assert shown["command"]["programArguments"][1:] == ["gateway", "--foreground", "--port", "18790"]
    assert shown["command"]["workingDirectory"] == str(home / ".xopc")


def test_no_secret_is_shown(
    home: Path, managers: FakeManagers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hush")
    assert install() == 0
    unit = home / ".config/systemd/user/xopc-gateway.service"
    unit.write_text(unit.read_text().replace("[Service]", '[Service]\nEnvironment="BRAVE_API_KEY=hush"'))
    shown = status_as_json(capsys)
    environment = shown["command"]["environment"]
    assert {environment[name] for name in ("XOPC_GATEWAY_TOKEN", "OPENAI_API_KEY", "BRAVE_API_KEY")} == {"***"}
    assert "hush" not in json.dumps(shown)
    assert TOKEN not in json.dumps(shown)


def test_what_does_not_fit_is_told(home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home)
    assert install() == 0
    configure(home, auth={"token": generate_token()})
    capsys.readouterr()
    assert status() == 0
    told = "⚠️  Token drift detected: service token differs from config.\n"
    assert f"{told}💡 Run `xopc gateway service install --force` to sync.\n" in capsys.readouterr().out
    assert [issue["code"] for issue in status_as_json(capsys)["issues"]] == ["token-drift"]


def test_what_is_not_installed(home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]) -> None:
    assert status() == 0
    shown = capsys.readouterr().out
    assert "Service: xopc-gateway, systemd (not installed)\n" in shown
    assert shown.endswith("💡 Install it: xopc gateway service install\n")
    told = status_as_json(capsys)
    assert (told["loaded"], told["command"], told["version"]) == (False, None, None)


def test_without_a_manager(
    home: Path, managers: FakeManagers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "sunos5")
    assert status() == 0
    assert capsys.readouterr().out.startswith("ℹ️  Daemon not available on sunos5\n")
    shown = status_as_json(capsys)
    assert (shown["available"], shown["platform"]) == (False, "sunos5")


def test_an_installed_service_is_told_of_though_its_manager_does_not_answer(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home)
    assert install() == 0
    managers.fail("systemctl", text="Failed to connect to bus: No medium found")
    capsys.readouterr()
    managers.forget_calls()
    assert status() == 0
    text = capsys.readouterr().out
    assert "   Service: xopc-gateway, systemd (does not tell)\n" in text
    assert "Runtime: unknown, Failed to connect to bus: No medium found\n" in text
    assert len(managers.calls) == 1, "who hangs is waited for once"
