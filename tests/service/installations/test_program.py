"""Where xopc is started from."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fakes.environments import make_environment
from xopc.service.installations.program import stable_program, successor
from xopc.service.installations.versions import Installations


@pytest.fixture
def installed(tmp_path: Path) -> Installations:
    """A version in use, and the environment whose place it has taken."""
    installed = Installations(tmp_path / "xopc")
    make_environment(tmp_path / "venv", installed.root, "1.0")
    installed.use(make_environment(installed.versions / "1.1", installed.root, "1.1"))
    return installed


def test_before_any_update_it_is_the_script_of_this_environment() -> None:
    assert stable_program() == (str(Path(sys.executable).with_name("xopc")),)


def test_the_script_beside_the_interpreter_starts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "xopc"
    script.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert stable_program() == (str(script),)


def test_without_a_script_the_interpreter_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = str(tmp_path / "python")
    monkeypatch.setattr(sys, "executable", python)
    assert stable_program() == (python, "-P", "-m", "xopc")


def test_after_an_update_it_is_a_path_that_no_update_changes(
    installed: Installations, monkeypatch: pytest.MonkeyPatch
) -> None:
    for prefix in (installed.root.parent / "venv", installed.versions / "1.1"):
        monkeypatch.setattr(sys, "prefix", str(prefix))
        assert stable_program() == (str(installed.program),)


def test_the_old_environment_leads_to_the_version_in_use(installed: Installations) -> None:
    assert successor(str(installed.root.parent / "venv")) == installed.versions / "1.1" / "bin" / "xopc"


def test_a_version_that_is_kept_is_meant_by_who_names_it(installed: Installations) -> None:
    make_environment(installed.versions / "1.0", installed.root, "1.0")
    assert successor(str(installed.versions / "1.0")) is None


def test_the_version_in_use_has_no_successor(installed: Installations, tmp_path: Path) -> None:
    installed.use(tmp_path / "venv")
    assert successor(str(tmp_path / "venv")) is None


def test_an_environment_that_was_never_updated_has_no_successor(tmp_path: Path) -> None:
    assert successor(str(tmp_path)) is None


def test_a_successor_that_is_gone_is_none(installed: Installations) -> None:
    (installed.versions / "1.1" / "bin" / "xopc").unlink()
    assert successor(str(installed.root.parent / "venv")) is None
