"""With wheels that hold next to nothing; those of xopc are in tests/e2e/test_update.py."""

from __future__ import annotations

import os
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from xopc.contracts.errors import Failure, XopcError
from xopc.service.installations.build import Candidate, build, is_newer, last_lines, resolve
from xopc.service.installations.versions import Environment, Installations

pytestmark = pytest.mark.timeout(180)  # pip sets up environments, on a machine that may be busy


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pip finds wheels, and nowhere else."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    return shelf


def put(shelf: Path, version: str, name: str = "xopc", needs: str = "") -> Path:
    """A wheel with one module."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path := shelf / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", f'__version__ = "{version}"\n')
        requires = f"Requires-Dist: {needs}\n" if needs else ""
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"{name}/__init__.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


def test_pip_says_which_version_is_the_newest(shelf: Path) -> None:
    put(shelf, "1.2")
    put(shelf, "1.10")
    put(shelf, "2.0rc1")
    newest = resolve(None, None)
    assert (newest.version, newest.requirement) == ("1.10", "xopc==1.10")
    assert resolve("1.2", None).version == "1.2"


def test_a_wheel_is_known_by_its_content(shelf: Path, tmp_path: Path) -> None:
    wheel = put(tmp_path, "3.0")
    found = resolve(None, wheel)
    assert (found.version, found.origin) == ("3.0", f"sha256={sha256(wheel.read_bytes()).hexdigest()}")
    wheel.rename(shelf / wheel.name)
    assert resolve("3.0", None).origin == found.origin, "wherever it comes from"


def test_for_a_version_that_is_kept_pip_is_not_asked(tmp_path: Path) -> None:
    kept = [Environment(tmp_path / "1.2", "1.2", "sha256=a"), Environment(tmp_path / "1.2-2", "1.2", "")]
    found = resolve("1.2", None, kept)
    assert (found.version, found.origin) == ("1.2", "sha256=a")
    for version in ("1.3", None):
        with pytest.raises(XopcError, match="pip finds no xopc"):
            resolve(version, None, kept)


def test_what_pip_does_not_find_is_told_in_its_words() -> None:
    with pytest.raises(XopcError, match=r"pip finds no xopc==9\.9:\n(.*\n)*.*No matching distribution") as error:
        resolve("9.9", None)
    assert error.value.failure is Failure.NOT_FOUND
    assert error.value.message.endswith("xopc update --wheel dist/xopc-VERSION-py3-none-any.whl")


def test_a_wheel_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(XopcError, match="is another, and not xopc"):
        resolve(None, put(tmp_path, "1.0", "another"))


def test_an_environment_is_made_whole_or_not_at_all(shelf: Path, tmp_path: Path) -> None:
    installed = Installations(tmp_path / "xopc")
    made = build(resolve(None, put(shelf, "1.2")), installed.versions / "1.2", installed)
    assert (made.path, made.version) == (installed.versions / "1.2", "1.2")
    assert made.origin.startswith("sha256=")
    assert installed.find("1.2") == made
    lacking = Candidate("1.3", "", str(put(shelf, "1.3", needs="a-package-that-is-not-there")))
    with pytest.raises(XopcError, match=r"xopc 1\.3 cannot be installed:\n(.*\n)*.*a-package-that-is-not-there"):
        build(lacking, installed.versions / "1.3", installed)
    assert not (installed.versions / "1.3").exists()


@pytest.mark.parametrize(
    ("version", "than", "newer"),
    [
        ("1.10.0", "1.9.2", True),
        ("1.2.0", "1.2.0rc1", True),
        ("1.2", "1.2.0.post1", True),
        ("1.2.0", "1.3.0rc1", False),
        ("1.2.0", "1.2.0", False),
        ("1.1", "1.2.0", False),
    ],
)
def test_what_is_older_is_no_update(version: str, than: str, newer: bool) -> None:
    assert is_newer(version, than) is newer


def test_of_what_a_tool_said_the_end_is_told() -> None:
    assert last_lines("\n".join(f"line {number}" for number in range(20))).splitlines()[0] == "   line 8"
    assert last_lines(" \n") == "   it said nothing"
