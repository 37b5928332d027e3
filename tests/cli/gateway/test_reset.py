from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from xopc.cli.gateway.reset import refusal, reset
from xopc.config.paths import resolve_paths
from xopc.contracts.errors import Failure, XopcError


@pytest.fixture
def environ(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "XOPC_PROFILE": "dev"}


@pytest.fixture
def state(home: Path) -> Path:
    """The profile with a little of everything on disk."""
    state = home / ".xopc-dev"
    (state / "workspace" / "notes").mkdir(parents=True)
    (state / "xopc.json").write_text("{}")
    (state / "locks").mkdir()
    (state / "elsewhere").symlink_to(home)
    return state


def test_all_of_it_goes_after_it_was_named(
    state: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (state / "locks" / "gateway.00000000.lock").touch()
    reset(environ)
    assert list(state.iterdir()) == []
    assert state.parent.is_dir()
    said = "🧹 Deleting the state of the profile dev, in ~/.xopc-dev:\n   elsewhere, workspace, xopc.json\n"
    assert capsys.readouterr().out == said


def test_nothing_is_deleted_while_any_gateway_of_it_runs(state: Path, environ: dict[str, str]) -> None:
    lock = state / "locks" / "gateway.00000000.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(XopcError, match="take the state away from a gateway that runs") as caught:
            reset(environ)
    assert caught.value.failure is Failure.CONFLICT
    assert (state / "xopc.json").exists()


def test_where_there_is_nothing_nothing_is_said(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    reset(environ)
    assert capsys.readouterr().out == ""
    assert not resolve_paths(environ).state_dir.exists()


def test_a_link_is_not_followed(home: Path, environ: dict[str, str]) -> None:
    (home / "precious").mkdir()
    (home / "precious" / "file").touch()
    (home / ".xopc-dev").symlink_to(home / "precious")
    with pytest.raises(XopcError, match="is a link to"):
        reset(environ)
    assert (home / "precious" / "file").exists()


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({"XOPC_PROFILE": "dev"}, None),
        ({}, "of the profile dev alone: give --dev, too"),
        ({"XOPC_PROFILE": "rescue"}, "of the profile dev alone: give --dev, too"),
        ({"XOPC_PROFILE": "dev", "XOPC_STATE_DIR": "/srv"}, "XOPC_STATE_DIR names another directory: unset it"),
    ],
)
def test_only_the_profile_s_own_directory_may_go(environ: dict[str, str], why: str | None) -> None:
    said = refusal(environ)
    assert said is None if why is None else why in (said or "")
