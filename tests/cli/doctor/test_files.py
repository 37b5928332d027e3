from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.fakes.gateway import configure
from xopc.cli.doctor.check import Result, Sight
from xopc.cli.doctor.files import foreign_files, look_at_modes, look_at_owners, private_files
from xopc.cli.gateway.target import find_target
from xopc.config.audit import Severity
from xopc.config.paths import resolve_paths


@pytest.fixture
def file(home: Path) -> Path:
    path = configure(home)
    path.parent.chmod(0o700)
    path.chmod(0o600)
    return path


def looked() -> Result:
    return look_at_modes(Sight(find_target(None)))


def test_files_of_their_owner_alone_are_fine(file: Path) -> None:
    assert looked() == Result("Nobody else may read or change what holds secrets")
    assert look_at_owners(Sight(find_target(None))) == Result("What holds secrets belongs to this user")


def test_without_any_file_there_is_nothing_to_say(home: Path) -> None:
    assert looked().faults == ()


@pytest.mark.parametrize(
    ("mode", "severity", "title"),
    [
        (0o644, Severity.CRITICAL, "Other users may read this file"),
        (0o646, Severity.CRITICAL, "Other users may change this file"),
        (0o660, Severity.CRITICAL, "The group of its owner may change this file"),
        (0o640, Severity.WARN, "The group of its owner may read this file"),
    ],
)
def test_a_file_that_others_may_use_is_a_fault(file: Path, mode: int, severity: Severity, title: str) -> None:
    file.chmod(mode)
    (fault,) = looked().faults
    assert (fault.check_id, fault.severity, fault.title) == ("files.permissions", severity, title)
    assert fault.where == str(file)
    assert fault.remediation == f"chmod 600 {file}"


def test_what_it_says_mends_it(file: Path) -> None:
    file.parent.chmod(0o755)
    (fault,) = looked().faults
    assert fault.title == "Other users may read this directory"
    subprocess.run(shlex.split(fault.remediation), check=True)
    assert looked().faults == ()


def test_backups_the_accepted_copy_and_credentials_are_looked_at(file: Path) -> None:
    paths = resolve_paths({"XOPC_HOME": str(file.parent.parent)})
    secrets = [file.with_name("xopc.json.bak"), paths.accepted, paths.models, paths.local_key]
    for path in secrets:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text("{}")
        path.chmod(0o604)
    assert {fault.where for fault in looked().faults} == {str(path) for path in secrets}
    assert set(private_files(paths)) == {file.parent, file, *secrets, paths.local_key.parent}


def test_a_backup_that_others_may_read_is_found(file: Path) -> None:
    folder = file.parent / "backups"
    folder.mkdir(mode=0o700)
    backup = folder / "xopc-20260101-000000.tar.gz"
    backup.touch()
    backup.chmod(0o644)
    (fault,) = looked().faults
    assert (fault.severity, fault.where) == (Severity.CRITICAL, str(backup))


def test_a_file_of_another_user_is_to_be_looked_at(file: Path) -> None:
    (fault,) = foreign_files([file], os.geteuid() + 70_000)
    assert (fault.check_id, fault.severity, fault.where) == ("files.owner", Severity.WARN, str(file))
    assert f"and not to {os.geteuid() + 70_000}" in fault.title
    assert foreign_files([file], os.geteuid()) == ()
