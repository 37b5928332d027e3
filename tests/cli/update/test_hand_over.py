"""Which gateways are replaced; how that goes is in tests/e2e/test_update.py."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from tests.fakes.environments import make_environment
from tests.fakes.gateway import TOKEN, Behaviour, configure, running_gateway
from xopc.cli.gateway.target import find_target
from xopc.cli.update.hand_over import End, Handed, end_unready, hand_over, left_behind, why_left_alone
from xopc.service.installations.versions import Environment, Installations


@pytest.fixture
def installed(tmp_path: Path) -> Installations:
    installed = Installations(tmp_path / "xopc")
    installed.use(make_environment(installed.versions / "1.1", installed.root, "1.1"))
    return installed


@pytest.fixture
def newest(installed: Installations) -> Environment:
    current = installed.current()
    assert current is not None
    return current


def test_where_no_gateway_runs_there_is_nothing_to_hand_over(installed: Installations, newest: Environment) -> None:
    assert hand_over(find_target(None), installed, newest, 1, "an update").end is End.NOT_RUNNING


def test_a_gateway_of_another_installation_is_left_alone(
    home: Path, installed: Installations, newest: Environment
) -> None:
    with running_gateway(home, Behaviour(launched=True)) as gateway:
        handed = hand_over(find_target(None), installed, newest, 1, "an update")
        assert handed.end is End.LEFT_ALONE
        assert f"(pid {gateway.pid}, version unknown) was started from" in handed.reason
        assert f"start it with `{installed.program} gateway`" in handed.reason
        assert left_behind(find_target(None), installed, newest) == []


def test_a_gateway_that_does_not_allow_restarts_is_left_alone(home: Path, installed: Installations) -> None:
    document = {"gateway": {"auth": {"token": TOKEN}}, "commands": {"restart": False}}
    configure(home).write_text(json.dumps(document))
    with running_gateway(home):
        target = find_target(None)
        assert target.owner is not None
        assert "commands.restart is false" in why_left_alone(target, target.owner, installed)


def test_a_gateway_that_starts_no_process_is_left_alone(
    home: Path, installed: Installations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XOPC_NO_RESPAWN", "1")
    with running_gateway(home):
        target = find_target(None)
        assert target.owner is not None
        assert "XOPC_NO_RESPAWN" in why_left_alone(target, target.owner, installed)


def test_a_gateway_that_goes_on_as_it_is_has_kept_its_version(
    home: Path, installed: Installations, newest: Environment
) -> None:
    with running_gateway(home, Behaviour(on_usr1="decline")):
        handed = hand_over(find_target(None), installed, newest, 10, "an update")
    assert handed.end is End.KEPT
    assert handed.reason


def test_a_disk_without_room_for_the_request_leaves_the_version_that_serves(
    home: Path, installed: Installations, newest: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def full(source: Path, target: Path) -> Path:
        if "intent" in target.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", full)
    with running_gateway(home) as gateway:
        handed = hand_over(find_target(None), installed, newest, 10, "an update")
        assert gateway.process.poll() is None
    assert handed == Handed(End.KEPT, f"{home}/.xopc/gateway-restart-intent.json: No space left on device")


def test_a_gateway_that_serves_is_not_ended(home: Path) -> None:
    with running_gateway(home) as gateway:
        end_unready(find_target(None))
        assert gateway.process.poll() is None
        assert json.loads((home / ".xopc" / "xopc.json").read_text())["gateway"]["auth"]["token"] == TOKEN
