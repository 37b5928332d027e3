"""Which service is meant, and what to do where there can be none."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fakes.gateway import configure
from tests.fakes.service_managers import FakeManagers
from xopc.cli.gateway.service import place as module
from xopc.cli.gateway.service.place import find_place, give_to_owner, warnings_about_root, why_unavailable
from xopc.config.paths import resolve_paths
from xopc.contracts.errors import XopcError


class Entry(NamedTuple):
    """Of the user database."""

    pw_uid: int
    pw_dir: str


@pytest.fixture
def booted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BOOTED", tmp_path)


def cures(uid: int, monkeypatch: pytest.MonkeyPatch, *, system: bool = False, **environ: str) -> Sequence[str]:
    monkeypatch.setattr(os, "getuid", lambda: uid)
    manager = find_place(None, system=False)[1]
    return why_unavailable(manager, {"PATH": os.environ["PATH"], **environ}, system=system)


@pytest.mark.usefixtures("booted", "managers")
def test_who_has_no_session_is_told_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    user = 4_199_999
    assert cures(user, monkeypatch) == [
        f"Log in as {user}, at the machine or through ssh: after `su`, or in a job of cron, there is no session.",
        f"Or have one always: sudo loginctl enable-linger {user}",
        f"Then, in this shell: export XDG_RUNTIME_DIR=/run/user/{user}",
        "Run it in the foreground instead: xopc gateway",
    ]


@pytest.mark.usefixtures("booted", "managers")
def test_who_came_through_sudo_is_told_to_leave_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "run it as amy, without sudo; or with --system" in cures(0, monkeypatch, SUDO_USER="amy")[0]
    assert cures(0, monkeypatch)[0].endswith("use --system")


@pytest.mark.usefixtures("booted", "managers")
def test_the_service_of_the_machine_takes_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["xopc", "gateway", "service", "install", "--system"])
    assert cures(1000, monkeypatch, system=True)[0].endswith("sudo xopc gateway service install --system")


@pytest.mark.usefixtures("managers")
def test_a_container_is_told_to_run_it_as_its_main_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "BOOTED", tmp_path / "not-there")
    assert cures(1000, monkeypatch) == [
        "systemd does not run this machine. In a container the gateway is the main process: xopc gateway"
    ]


@pytest.mark.usefixtures("managers")
def test_the_machines_service_is_for_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(XopcError, match="--system is for Linux alone: leave it out"):
        find_place(None, system=True)


def test_with_sudo_the_service_of_the_machine_is_of_whoever_called_it(
    home: Path, managers: FakeManagers, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = home / "amy"
    theirs.mkdir()
    path = configure(theirs)
    monkeypatch.delenv("XOPC_HOME")
    monkeypatch.setenv("SUDO_USER", "amy")
    monkeypatch.setattr(os, "getuid", lambda: 0)
    owner = path.stat().st_uid

    def entry(name: str) -> Entry:
        assert name == "amy"
        return Entry(owner, str(theirs))

    monkeypatch.setattr(pwd, "getpwnam", entry)
    target, manager = find_place(None, system=True)
    assert target.paths.config_path == path
    assert manager is not None
    assert manager.platform == "Linux (systemd, system)"
    owner += 1
    with pytest.raises(XopcError, match=r"as amy, without sudo: xopc gateway token --generate"):
        find_place(None, system=True)


def test_root_is_warned(managers: FakeManagers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert warnings_about_root(system=False) == [
        "You are root: the gateway, and every tool that it runs, may do everything on this machine."
    ]
    assert "through sudo as yourself" in warnings_about_root(system=True)[0]
    monkeypatch.setenv("SUDO_USER", "amy")
    assert warnings_about_root(system=True) == []
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert warnings_about_root(system=False) == []


def test_what_root_makes_is_given_to_whoever_the_gateway_is_of(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = resolve_paths({"HOME": str(home)})
    configure(home)
    given: list[Path] = []

    def give(path: Path, user: int, group: int, *, follow_symlinks: bool) -> None:
        assert (user, follow_symlinks) == (paths.config_path.parent.stat().st_uid, False)
        given.append(path)

    monkeypatch.setattr(os, "chown", give)
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    give_to_owner(paths)
    assert given == []
    monkeypatch.setattr(os, "getuid", lambda: 0)
    paths.workspace.mkdir()
    backup = paths.config_path.with_name("xopc.json.bak")
    backup.touch()
    give_to_owner(paths)
    owners = {path: path.lstat().st_uid for path in (paths.state_dir, paths.workspace, paths.config_path, backup)}
    assert given == [path for path, owner in owners.items() if owner == 0]


def test_what_changes_the_machines_service_is_refused_to_all_but_root_with_the_command_that_is_not(
    managers: FakeManagers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["xopc", "--profile", "two words", "gateway", "service", "start", "--system"])
    with pytest.raises(XopcError, match=r"sudo xopc --profile 'two words' gateway service start --system$"):
        find_place(None, system=True, changes=True)
    _, manager = find_place(None, system=True)
    assert manager is not None, "anybody may look"
