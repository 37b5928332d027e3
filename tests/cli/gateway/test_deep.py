from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fakes.gateway import configure
from xopc.cli.gateway import deep
from xopc.cli.gateway.deep import disk_below, is_low, look_deeper, problems_of, version_of
from xopc.cli.gateway.target import find_target
from xopc.gateway.room import Disk
from xopc.service.managers.base import Installed


def program(home: Path, text: str) -> Path:
    path = home / "bin" / "xopc"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def service(home: Path, *arguments: str) -> Installed:
    return Installed(home / "xopc-gateway.service", arguments, None, {}, {})


def test_the_program_on_disk_says_its_version(home: Path) -> None:
    path = program(home, 'test "$*" = --version && echo 1.2.3')
    assert version_of(service(home, str(path), "gateway", "--port", "1")) == "1.2.3"


@pytest.mark.parametrize("text", ["exit 1", "echo two words", "exec /not/there"])
def test_one_that_does_not_say_it_has_none(home: Path, text: str) -> None:
    assert version_of(service(home, str(program(home, text)), "gateway")) is None


def test_nothing_is_run_that_is_no_gateways(home: Path) -> None:
    path = home / "bin" / "other"
    program(home, f"touch {home}/ran").rename(path)
    assert version_of(service(home, str(path), "gateway")) is None
    assert version_of(service(home, "/not/there", "gateway")) is None
    assert not (home / "ran").exists()


def test_what_systemd_says_of_a_unit_is_told(home: Path) -> None:
    tool = home / "bin" / "systemd-analyze"
    unit = home / "xopc-gateway.service"
    program(home, f"echo '{unit}:3: Unknown key' >&2; echo 'other.service: odd' >&2").rename(tool)
    environ = {"PATH": f"{tool.parent}:/usr/bin:/bin"}
    assert problems_of(service(home), environ, is_system=False) == (f"{unit}:3: Unknown key",)
    tool.write_text("#!/not/there\n")
    (problem,) = problems_of(service(home), environ, is_system=True)
    assert "cannot be run" in problem
    assert problems_of(service(home), {"PATH": "/not/there"}, is_system=False) == ()


def test_a_disk_is_measured_where_the_directory_will_be(home: Path) -> None:
    disk = disk_below(home / "not" / "yet")
    assert disk is not None
    assert disk.bytes >= disk.free_bytes
    (home / "file").touch()
    assert disk_below(home / "file" / "x") is None


def test_little_room_is_low_and_what_counts_nothing_is_not() -> None:
    assert is_low(Disk(10**12, 10**6))
    assert not is_low(Disk(10**12, 10**11))
    assert not is_low(Disk(0, 0))


def test_a_disk_that_is_nearly_full_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(home)
    monkeypatch.setenv("PATH", os.defpath)

    def nearly_full(_: Path) -> Disk:
        return Disk(10**12, 10**6)

    monkeypatch.setattr(deep, "disk_of", nearly_full)
    depths = look_deeper(find_target(None), None)
    assert [finding.code for finding in depths.findings] == ["disk-low"]
    assert depths.to_json()["disk"] == {"bytes": 10**12, "freeBytes": 10**6, "low": True}
