"""The step that makes the gateway a service."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.gateway import running_gateway
from tests.fakes.scripted_terminal import ScriptedTerminal
from tests.fakes.service_managers import FakeManagers
from tests.ports import free_port
from xopc.cli.gateway.target import find_target
from xopc.cli.onboard.guide import Attended, Unattended
from xopc.cli.onboard.present import Present
from xopc.cli.onboard.service import choose_service, install_and_start, run_verb
from xopc.cli.onboard.wishes import Wishes
from xopc.contracts.errors import XopcError
from xopc.service.managers.base import ServiceManager
from xopc.service.managers.find import find_manager


@pytest.fixture
def managers(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeManagers]:
    """A systemd that really runs what it is told to run."""
    with FakeManagers(home, runs=True) as managers:
        for name, value in managers.environ.items():
            monkeypatch.setenv(name, value)
        yield managers


def manager() -> ServiceManager:
    found = find_manager(os.environ, platform="linux")
    assert found is not None
    return found


def test_a_person_is_asked_and_a_script_says_so(see: Callable[[], Present], managers: FakeManagers) -> None:
    terminal = ScriptedTerminal("", "n")
    guide = Attended(terminal)
    assert choose_service(guide, see(), Wishes(), manager())
    assert not choose_service(guide, see(), Wishes(), manager())
    assert terminal.lines[-1] == "Install it as a service (Linux (systemd)) [Y/n]: "
    assert not choose_service(Unattended(), see(), Wishes(), manager())
    assert choose_service(Unattended(), see(), Wishes(service=True), manager())
    assert not choose_service(guide, see(), Wishes(service=False), manager())


def test_that_it_takes_over_is_told(home: Path, see: Callable[[], Present], managers: FakeManagers) -> None:
    with running_gateway(home) as gateway:
        terminal = ScriptedTerminal("n")
        choose_service(Attended(terminal), see(), Wishes(), manager())
    assert f"The gateway that runs now (pid {gateway.pid}) ends, and the service takes over." in terminal.lines


@pytest.mark.parametrize("has_manager", [True, False])
def test_where_there_can_be_none_that_is_told(
    see: Callable[[], Present], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, has_manager: bool
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = manager() if has_manager else None
    terminal = ScriptedTerminal()
    assert not choose_service(Attended(terminal), see(), Wishes(), found)
    assert "There can be no service here, so you run the gateway yourself." in terminal.lines
    assert terminal.lines[-1].startswith("💡 ")
    assert terminal.lines[-1].endswith(": xopc gateway")
    with pytest.raises(XopcError, match="There can be no service here, so leave --service out"):
        choose_service(Unattended(), see(), Wishes(service=True), found)


def test_it_is_installed_and_runs_and_is_brought_up_to_date(
    home: Path, see: Callable[[], Present], managers: FakeManagers
) -> None:
    (home / ".xopc").mkdir()
    (home / ".xopc" / "xopc.json").write_text(json.dumps({"gateway": {"port": free_port()}}))
    install_and_start(find_target(None).environ, manager(), None)
    first = find_target(None).owner
    assert first is not None
    terminal = ScriptedTerminal()
    assert choose_service(Attended(terminal), see(), Wishes(), manager())
    assert terminal.lines == ["The service is installed (Linux (systemd)), and is brought up to date."]
    assert choose_service(Unattended(), see(), Wishes(), manager())
    install_and_start(find_target(None).environ, manager(), first.pid)
    second = find_target(None).owner
    assert second is not None
    assert second.pid != first.pid


def test_a_command_that_fails_is_told_in_its_own_words(home: Path, managers: FakeManagers) -> None:
    with pytest.raises(XopcError, match="`xopc gateway service start` failed: Service not installed"):
        run_verb(os.environ, "service", "start")
    with pytest.raises(XopcError, match="`xopc gateway dance` failed: xopc gateway: "):
        run_verb(os.environ, "dance")
