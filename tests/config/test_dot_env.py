"""What `.env` of a directory adds, and what it must not decide."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from xopc.config import dot_env
from xopc.config.dot_env import DotEnv, read_dot_env
from xopc.contracts.errors import ConfigError


def nobody(environ: Mapping[str, str]) -> set[int]:
    assert environ == {}
    return set()


def test_variables_are_read_and_empty_names_are_not(tmp_path: Path) -> None:
    assert read_dot_env(tmp_path, {}) == DotEnv()
    (tmp_path / ".env").write_text("A=1\nexport B='two words'\nC\n")
    assert read_dot_env(tmp_path, {}) == DotEnv({"A": "1", "B": "two words"})


def test_it_does_not_decide_which_configuration_is_read_nor_what_a_process_loads(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("XOPC_STATE_DIR=/tmp/x\nLD_PRELOAD=/tmp/y\nPYTHONPATH=.\nXOPC_HOME=/\nA=1\n")
    found = read_dot_env(tmp_path, {"XOPC_HOME": "/home/ann"})
    assert dict(found.values).keys() == {"A", "XOPC_HOME"}, "what is set already is not told"
    (warning,) = found.warnings
    assert warning == (
        f"{tmp_path}/.env does not decide about LD_PRELOAD, PYTHONPATH, XOPC_STATE_DIR: "
        "set that in the environment, if it is meant."
    )


def test_what_others_own_or_may_change_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("A=1\n")
    (tmp_path / ".env").chmod(0o666)
    assert read_dot_env(tmp_path, {}) == DotEnv(
        {}, (f"{tmp_path}/.env can be changed by other users, and is left out.",)
    )
    (tmp_path / ".env").chmod(0o644)
    monkeypatch.setattr(dot_env, "trusted_users", nobody)
    assert read_dot_env(tmp_path, {}).warnings == (f"{tmp_path}/.env belongs to another user, and is left out.",)


def test_with_sudo_the_file_of_whoever_called_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert dot_env.trusted_users({"SUDO_UID": "1000"}) == {0, 1000}
    assert dot_env.trusted_users({"SUDO_UID": "x"}) == {0}
    monkeypatch.setattr(os, "geteuid", lambda: 1001)
    assert dot_env.trusted_users({"SUDO_UID": "1000"}) == {0, 1001}


@pytest.mark.parametrize(("content", "what"), [(b"\xff\xfeA=1", "is not UTF-8"), (b"A=x\0y\n", "holds a NUL in 'A'")])
def test_what_is_no_text_is_told_with_its_place(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_dot_env(tmp_path, {})
    assert f"{tmp_path}/.env: {what}: mend it, or run the command in another directory" in caught.value.message
