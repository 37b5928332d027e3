"""The definition of a service after a change of version; systemd's tools are played."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import xopc
from tests.fakes.environments import make_environment
from tests.fakes.gateway import configure
from tests.fakes.service_managers import FakeManagers
from xopc.cli.gateway.target import find_target
from xopc.cli.update.definition import bring_up_to_date
from xopc.service.installations.versions import Environment, Installations

XOPC = Path(sys.executable).with_name("xopc")
UNIT = Path(".config", "systemd", "user", "xopc-gateway.service")


@pytest.fixture
def unit(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The definition of a service that was installed with a port of its own, by an older version."""
    managers = FakeManagers(home)
    for name, value in managers.environ.items():
        monkeypatch.setenv(name, value)
    command = [XOPC, "gateway", "service", "install", "--port", "19123"]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    unit = home / UNIT
    unit.write_text(unit.read_text().replace(xopc.__version__, "0.0.9"))
    return unit


def environment(tmp_path: Path, **python: str) -> Environment:
    installed = Installations(tmp_path / "xopc")
    path = make_environment(installed.versions / "1.1", installed.root, "1.1", **python)
    return Environment(path, "1.1", "")


def test_it_is_written_anew_by_the_version_in_use_with_the_port_that_it_had(unit: Path, tmp_path: Path) -> None:
    assert bring_up_to_date(find_target(None), environment(tmp_path)) == []
    text = unit.read_text()
    assert f"v{xopc.__version__}" in text
    assert "0.0.9" not in text
    assert "--port 19123" in text


def test_it_goes_by_the_token_that_it_had_and_not_by_that_of_this_shell(
    home: Path, unit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = home / ".xopc" / "service" / "xopc-gateway.env"
    assert "XOPC_GATEWAY_TOKEN=" in secrets.read_text()
    secrets.write_text('XOPC_GATEWAY_TOKEN="a-token-that-was-asked-for"\n')
    monkeypatch.setenv("XOPC_GATEWAY_TOKEN", "a-token-of-this-shell-alone")
    assert bring_up_to_date(find_target(None), environment(tmp_path)) == []
    assert 'XOPC_GATEWAY_TOKEN="a-token-that-was-asked-for"' in secrets.read_text()


def test_a_token_that_would_keep_it_down_is_not_kept(home: Path, unit: Path, tmp_path: Path) -> None:
    configure(home, auth={"mode": "password", "password": "a-password-of-some-length"})
    assert bring_up_to_date(find_target(None), environment(tmp_path)) == []
    assert "XOPC_GATEWAY_TOKEN" not in (home / ".xopc" / "service" / "xopc-gateway.env").read_text()


def test_a_service_that_was_put_off_is_written_anew_and_stays_off(unit: Path, tmp_path: Path) -> None:
    subprocess.run([XOPC, "gateway", "stop", "--disable"], check=True, timeout=60, capture_output=True)
    assert bring_up_to_date(find_target(None), environment(tmp_path)) == []
    assert f"v{xopc.__version__}" in unit.read_text()
    asked = subprocess.run(["systemctl", "--user", "is-enabled", "xopc-gateway.service"], check=False, timeout=60)
    assert asked.returncode != 0


def test_what_could_not_be_written_is_told_with_its_cure(unit: Path, tmp_path: Path) -> None:
    (told,) = bring_up_to_date(find_target(None), environment(tmp_path, python="echo no >&2; exit 1"))
    assert told.startswith(f"{unit} could not be written anew (")
    assert told.endswith("): xopc gateway service install --force")


def test_the_service_of_another_configuration_is_left_alone(unit: Path, tmp_path: Path) -> None:
    before = unit.read_text()
    assert bring_up_to_date(find_target(tmp_path / "other.json"), environment(tmp_path)) == []
    assert unit.read_text() == before


def test_where_no_service_is_installed_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert bring_up_to_date(find_target(None), environment(tmp_path)) == []
