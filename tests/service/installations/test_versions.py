from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.environments import make_environment
from xopc.contracts.errors import XopcError
from xopc.service.installations.versions import Installations, Pending, installations, read_environment, read_version
from xopc_supervisor.contract import Installation


@pytest.fixture
def installed(tmp_path: Path) -> Installations:
    return Installations(tmp_path / "xopc")


@pytest.fixture
def add(installed: Installations) -> Callable[[str], Path]:
    """Adds a version, newer than those before."""
    count = 0

    def add(version: str) -> Path:
        nonlocal count
        count += 1
        path = make_environment(installed.versions / version, installed.root, version)
        os.utime(path / Installation.NAME, (count, count))
        return path

    return add


def names(installed: Installations) -> list[str]:
    return sorted(path.name for path in installed.versions.iterdir())


def test_the_environment_that_was_there_is_the_first_version(installed: Installations, tmp_path: Path) -> None:
    venv = make_environment(tmp_path / "venv", tmp_path / "elsewhere", "1.0")
    (venv / Installation.NAME).unlink()
    for _ in range(2):
        installed.adopt(venv, venv / "lib" / "xopc" / "__init__.py")
        current = installed.current()
        assert current is not None
        assert (current.path, current.version, current.python) == (venv, "1.0", venv / "bin" / "python")
        assert names(installed) == ["1.0"]
    assert installed.program.resolve() == venv / "bin" / "xopc"
    assert installations(str(venv), tmp_path / "other") == installed


def test_another_environment_that_joins_does_not_take_the_place_of_the_version_in_use(
    installed: Installations, add: Callable[[str], Path], tmp_path: Path
) -> None:
    installed.use(add("2.0"))
    venv = make_environment(tmp_path / "venv", installed.root, "1.0")
    installed.adopt(venv, venv / "lib" / "xopc" / "__init__.py")
    current = installed.current()
    assert current is not None
    assert current.version == "2.0"
    assert [each.version for each in installed.all()] == ["1.0", "2.0"]


def test_a_switch_leads_the_program_to_the_other_version(installed: Installations, add: Callable[[str], Path]) -> None:
    for version in ("1.0", "1.1"):
        installed.use(add(version))
        assert subprocess.check_output([installed.program], text=True) == f"{version}\n"


def test_without_a_version_in_use_there_is_none(installed: Installations, add: Callable[[str], Path]) -> None:
    assert (installed.current(), installed.previous(), installed.all()) == (None, None, [])
    installed.use(add("1.0"))
    (installed.versions / "1.0" / "bin" / "python").unlink()
    assert installed.current() is None


def test_a_version_is_found_by_its_number(installed: Installations, add: Callable[[str], Path]) -> None:
    add("1.0")
    found = installed.find("1.0")
    assert found is not None
    assert found.origin == "sha256=1.0"
    assert installed.find("1.1") is None


def test_a_place_that_is_taken_gets_a_number(installed: Installations, add: Callable[[str], Path]) -> None:
    assert installed.free_place("1.0").name == "1.0"
    add("1.0")
    (installed.versions / "1.0-2").symlink_to("gone")
    assert installed.free_place("1.0").name == "1.0-3"


def test_two_updates_do_not_run_at_once(installed: Installations) -> None:
    assert not installed.is_locked()
    with installed.locked(), pytest.raises(XopcError, match=f"pid {os.getpid()}"), installed.locked():
        pass
    with installed.locked():
        assert installed.is_locked()
    assert not installed.is_locked()


def test_an_update_that_was_begun_is_known_until_it_is_finished(installed: Installations, tmp_path: Path) -> None:
    assert installed.pending() is None
    installed.root.mkdir()
    installed.begin(Pending(tmp_path / "a", tmp_path / "b"))
    assert installed.pending() == Pending(tmp_path / "a", tmp_path / "b")
    installed.journal.write_text("[")
    assert installed.pending() is None
    installed.finish()
    assert not installed.journal.exists()


def test_two_old_versions_stay_and_the_one_before_is_among_them(
    installed: Installations, add: Callable[[str], Path]
) -> None:
    paths = [add(f"1.{number}") for number in range(5)]
    installed.use(paths[4])
    installed.remember(paths[0])
    assert sorted(installed.clean_up()) == ["1.1", "1.2"]
    assert names(installed) == ["1.0", "1.3", "1.4"]


def test_what_was_made_or_removed_by_half_goes_and_what_is_somebody_elses_stays(
    installed: Installations, add: Callable[[str], Path], tmp_path: Path
) -> None:
    installed.use(add("1.0"))
    (installed.versions / "1.1" / "bin").mkdir(parents=True)
    (installed.versions / ".removed-0.9-1").mkdir()
    (installed.versions / "0.8").symlink_to(tmp_path / "gone")
    for number in range(4):
        venv = make_environment(tmp_path / f"venv-{number}", installed.root, f"0.{number}")
        (installed.versions / f"0.{number}").symlink_to(venv)
    assert installed.clean_up() == ["1.1"]
    assert names(installed) == ["0.0", "0.1", "0.2", "0.3", "1.0"]


def test_a_version_that_a_process_runs_from_stays(installed: Installations, add: Callable[[str], Path]) -> None:
    paths = [add(f"1.{number}") for number in range(5)]
    installed.use(paths[4])
    program = paths[0] / "bin" / "sleeping"
    program.symlink_to(sys.executable)
    with subprocess.Popen([program, "-c", "import time; time.sleep(60)"]) as process:
        assert installed.clean_up() == ["1.1"]
        process.kill()
    assert installed.clean_up() == ["1.0"]


def test_a_directory_that_is_no_environment_is_none(tmp_path: Path) -> None:
    assert read_environment(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"version = 1", b"\xff"])
def test_a_version_that_cannot_be_told_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "version.py").write_bytes(content)
    assert read_version(tmp_path / "version.py") is None
    assert read_version(tmp_path / "missing.py") is None
