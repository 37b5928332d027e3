from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.fakes.environments import make_environment
from xopc.cli.doctor.check import Result, Sight
from xopc.cli.doctor.installation import look_at_installation
from xopc.cli.gateway.target import find_target
from xopc.config.audit import Severity
from xopc.config.paths import programs_dir
from xopc.service.installations.versions import Installations, Pending


@pytest.fixture
def installed(home: Path) -> Installations:
    """A version in use and one before, as `xopc update` leaves them."""
    installed = Installations(programs_dir({"XOPC_HOME": str(home)}))
    make_environment(installed.versions / "1.0", installed.root, "1.0")
    installed.use(make_environment(installed.versions / "1.1", installed.root, "1.1"))
    return installed


def look() -> Result:
    return look_at_installation(Sight(find_target(None)))


def test_without_an_update_there_is_nothing_to_look_at() -> None:
    assert look() == Result("No version is kept here by xopc update")


def test_the_version_in_use_is_told(installed: Installations) -> None:
    assert look() == Result("xopc 1.1 is in use")


def test_a_version_that_is_gone_is_critical_and_one_that_is_there_is_named(installed: Installations) -> None:
    shutil.rmtree(installed.versions / "1.1")
    (fault,) = look().faults
    assert (fault.check_id, fault.severity) == ("installation.broken", Severity.CRITICAL)
    python = installed.versions / "1.0" / "bin" / "python"
    assert fault.remediation == f"Take one that is: {python} -P -m xopc update"
    shutil.rmtree(installed.versions)
    (fault,) = look().faults
    assert "Install xopc anew" in fault.remediation


def test_an_update_that_was_cut_off_is_told_and_one_that_runs_is_not(installed: Installations) -> None:
    installed.begin(Pending(installed.versions / "1.0", installed.versions / "1.1"))
    (fault,) = look().faults
    assert (fault.check_id, fault.where) == ("installation.cut-off", str(installed.journal))
    with installed.locked():
        assert look().faults == ()
