"""Against the recording tools of systemd."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.definitions import definition, install
from tests.fakes.gateway import configure
from tests.fakes.service_managers import FakeManagers
from xopc.cli.doctor.check import Result, Sight
from xopc.cli.doctor.gateway import look_at_gateway
from xopc.cli.doctor.service import look_at_service, look_at_starters, of_finding
from xopc.cli.gateway.target import find_target
from xopc.config.audit import Severity
from xopc.service.audit.finding import AGGRESSIVE, Finding


@pytest.fixture
def managers(home: Path, monkeypatch: pytest.MonkeyPatch) -> FakeManagers:
    configure(home, port=18790)
    fakes = FakeManagers(home)
    for name, value in fakes.environ.items():
        monkeypatch.setenv(name, value)
    return fakes


def looked() -> Result:
    return look_at_service(Sight(find_target(None)))


def test_without_a_manager_there_is_no_fault(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home))
    assert looked() == Result("No service manager answers here: whoever starts the gateway keeps it")


def test_without_a_service_there_is_no_fault(managers: FakeManagers) -> None:
    assert looked() == Result("None is installed. To have the gateway always: xopc gateway service install")


def test_a_service_that_fits_is_fine(home: Path, managers: FakeManagers) -> None:
    path = install(home, managers)
    assert looked() == Result(f"xopc-gateway fits this configuration ({path})")


def test_a_service_that_is_stopped_is_what_is_to_be_started(home: Path, managers: FakeManagers) -> None:
    install(home, managers)
    told = look_at_gateway(Sight(find_target(None))).summary
    assert told == "It does not run. Start it with: xopc gateway service start"


def test_what_does_not_fit_is_a_fault_of_its_file(home: Path, managers: FakeManagers) -> None:
    wanted = definition(home)
    path = install(home, managers, arguments=(str(home / "gone"), "gateway"))
    wanted.secrets_path.chmod(0o644)
    first, second = looked().faults
    assert (first.check_id, first.severity, first.where) == (
        "service.missing-program",
        Severity.CRITICAL,
        str(path),
    )
    assert (second.check_id, second.where) == ("service.secrets-file-readable", str(wanted.secrets_path))


def test_a_manager_that_hangs_is_told(home: Path, managers: FakeManagers, monkeypatch: pytest.MonkeyPatch) -> None:
    install(home, managers)
    monkeypatch.setattr("xopc.cli.doctor.check.SERVICE_SECONDS", 0.2)
    managers.fail("systemctl", seconds=3)
    (fault,) = looked().faults
    assert fault.check_id == "service.service-unknown"


def test_a_second_starter_is_a_fault_where_it_stands(home: Path, managers: FakeManagers) -> None:
    install(home, managers)
    assert look_at_starters(Sight(find_target(None))) == Result("Nothing else starts this gateway")
    entry = home / ".config" / "autostart" / "xopc.desktop"
    entry.parent.mkdir(parents=True)
    entry.write_text("[Desktop Entry]\nExec=xopc gateway\n")
    (fault,) = look_at_starters(Sight(find_target(None))).faults
    assert (fault.check_id, fault.where, fault.remediation) == ("service.other-starter", str(entry), f"Run: rm {entry}")


def test_what_may_be_on_purpose_is_only_to_be_known() -> None:
    fault = of_finding(Finding("path-missing-dirs", "It lacks one.", "Mend it.", level=AGGRESSIVE), "a.service")
    assert (fault.severity, fault.title) == (Severity.INFO, "It lacks one")
