"""Against the recording tools of systemd."""

from __future__ import annotations

import getpass
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import xopc
from tests.fakes.definitions import XOPC, definition, install
from tests.fakes.gateway import TOKEN, configure
from tests.fakes.service_managers import FakeManagers
from xopc.config.paths import resolve_paths
from xopc.service.audit.survey import Service, Survey, find_service, survey
from xopc.service.managers.base import RuntimeStatus
from xopc.service.managers.find import find_manager


@pytest.fixture
def managers(home: Path, monkeypatch: pytest.MonkeyPatch) -> FakeManagers:
    configure(home, port=18790)
    fakes = FakeManagers(home)
    for name, value in fakes.environ.items():
        monkeypatch.setenv(name, value)
    return fakes


def surveyed(home: Path, managers: FakeManagers, owner_pid: int | None = None) -> Service | None:
    return survey(managers.environ, resolve_paths(managers.environ), owner_pid)


def installed(home: Path, managers: FakeManagers, **changes: object) -> Service:
    install(home, managers, **changes)
    service = surveyed(home, managers)
    assert service is not None
    return service


def test_without_tools_there_is_no_service(home: Path) -> None:
    environ = {"HOME": str(home), "PATH": str(home)}
    assert survey(environ, resolve_paths(environ), None) is None


def test_where_none_is_installed_its_place_is_told(home: Path, managers: FakeManagers) -> None:
    service = surveyed(home, managers)
    assert service is not None
    shown = service.to_json()
    assert (shown["installed"], shown["loaded"], shown["version"], shown["sourcePath"]) == (False, False, None, None)
    assert (service.paths, service.findings) == (None, ())


def test_what_was_just_installed_fits_in_all(home: Path, managers: FakeManagers) -> None:
    service = installed(home, managers)
    assert service.findings == ()
    assert managers.lingering == [getpass.getuser()]
    shown = service.to_json()
    assert (shown["label"], shown["loaded"], shown["version"]) == ("xopc-gateway", True, xopc.__version__)
    assert shown["loadedText"] == "systemd (enabled)"
    assert service.paths == resolve_paths(managers.environ)
    assert TOKEN not in str(shown)


def test_a_running_service_is_told_with_its_pid(home: Path, managers: FakeManagers) -> None:
    service = installed(home, managers)
    service.manager.start()
    pid = managers.pid("user:xopc-gateway.service")
    again = surveyed(home, managers, pid)
    assert again is not None
    assert (again.runtime.status, again.runtime.pid, again.findings) == (RuntimeStatus.RUNNING, pid, ())


def test_audit_and_standing_are_both_told(home: Path, managers: FakeManagers) -> None:
    installed(home, managers, arguments=(str(XOPC), "gateway", "--port", "1"))
    service = surveyed(home, managers, 4_100)
    assert service is not None
    assert [finding.code for finding in service.findings] == ["port-mismatch", "not-by-service"]


def test_without_lingering_that_is_told(home: Path, managers: FakeManagers) -> None:
    managers.fail("loginctl", "enable-linger")
    assert [finding.code for finding in installed(home, managers).findings] == ["no-linger"]


def test_without_logind_lingering_is_no_question(home: Path, managers: FakeManagers) -> None:
    (managers.bin / "loginctl").unlink()
    environ = {**managers.environ, "PATH": str(managers.bin)}
    manager = find_manager(environ)
    assert manager is not None
    manager.install(definition(home))
    service = survey(environ, resolve_paths(environ), None)
    assert service is not None
    assert service.findings == ()


def test_the_machines_service_counts_where_it_has_this_configuration(
    home: Path, managers: FakeManagers, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = home / "etc"
    units.mkdir()
    monkeypatch.setattr("xopc.service.managers.systemd.SYSTEM_UNITS", units)
    unit = units / "xopc-gateway.service"
    paths = resolve_paths(managers.environ)
    unit.write_text(f"[Service]\nExecStart={XOPC} gateway\nEnvironment=XOPC_HOME={home / 'other'}\n")
    own = find_service(managers.environ, paths)
    assert own is not None
    assert (own.is_system, own.installed) == (False, None)
    unit.write_text(f"[Service]\nExecStart={XOPC} gateway\nEnvironment=XOPC_HOME={home}\n")
    found = find_service(managers.environ, paths)
    assert found is not None
    assert (found.is_system, found.start) == (True, "sudo xopc gateway service start --system")
    assert found.reinstall == "sudo xopc gateway service install --force --system"


def test_a_look_that_fails_is_none() -> None:
    def look(_: Callable[[Service], None]) -> Service | None:
        raise OSError(5, "the disk fails")

    failed = Survey(look)
    assert failed.result() is None
    assert failed.findings == ()


def test_a_look_that_takes_too_long_is_not_waited_for() -> None:
    let_go = threading.Event()

    def look(_: Callable[[Service], None]) -> Service | None:
        let_go.wait(20)
        return None

    began = time.monotonic()
    found = Survey(look)
    assert found.result(0.05) is None
    assert time.monotonic() - began < 5
    assert [finding.code for finding in found.findings] == ["service-unknown"]
    let_go.set()
    assert found.result() is None
    assert found.findings == ()


def test_what_the_files_say_is_told_of_a_manager_that_hangs(home: Path, managers: FakeManagers) -> None:
    install(home, managers, secrets={"XOPC_GATEWAY_TOKEN": "another-token-than-that-of-the-file"})
    configure(home)
    managers.fail("systemctl", seconds=20)
    looked = Survey(lambda tell: survey(managers.environ, resolve_paths(managers.environ), None, tell))
    service = looked.result(1.5)
    assert service is not None
    assert (service.loaded_text, service.runtime.status.value) == ("systemd (does not tell)", "unknown")
    assert [finding.code for finding in looked.findings] == ["token-drift", "service-unknown"]
