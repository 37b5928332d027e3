"""`xopc gateway service uninstall`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.gateway import configure
from tests.fakes.service_managers import FakeManagers
from xopc.cli.gateway.service.install import install
from xopc.cli.gateway.service.start import start
from xopc.cli.gateway.service.uninstall import uninstall


def test_row_078_it_is_stopped_and_nothing_of_it_is_left(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configure(home)
    assert install() == 0
    assert start() == 0
    capsys.readouterr()
    assert uninstall() == 0
    assert capsys.readouterr().out == "✅ Gateway service uninstalled.\n"
    assert managers.pid("user:xopc-gateway.service") is None
    assert [one for one in (home / ".config").rglob("*") if not one.is_dir()] == []
    assert not (home / ".xopc" / "service").exists()
    assert path.exists(), "the configuration stays"


def test_row_078_as_json(home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home)
    assert install() == 0
    for result in ("uninstalled", "not-installed"):
        capsys.readouterr()
        assert uninstall(as_json=True) == 0
        shown = json.loads(capsys.readouterr().out)
        assert (shown["ok"], shown["result"]) == (True, result)
    assert uninstall() == 0
    assert capsys.readouterr().out == "ℹ️  Service not installed.\n"


def test_a_manager_that_refuses_leaves_it_installed(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home)
    assert install() == 0
    managers.fail("systemctl", "stop", text="Access denied")
    assert uninstall() == 1
    assert "❌ Service not uninstalled: " in capsys.readouterr().err
    assert (home / ".config/systemd/user/xopc-gateway.service").exists()


def test_without_a_manager_that_answers_nothing_is_removed(
    home: Path, managers: FakeManagers, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(home)
    assert install() == 0
    managers.fail("systemctl", "show")
    assert uninstall() == 1
    assert "OS service not available" in capsys.readouterr().err
