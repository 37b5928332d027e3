"""A service's secrets."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis.strategies import characters, text

from xopc.contracts.errors import ConfigError
from xopc.service.managers.base import ServiceManagerError
from xopc.service.managers.secrets_file import add_secrets, read_secrets, write_secrets


@given(value=text(characters(exclude_categories=("Cs",), exclude_characters="\0")))
def test_a_secret_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    path = tmp_path_factory.getbasetemp() / "service" / "a.env"
    write_secrets(path, {"FIRST_API_KEY": value, "SECOND": "2"})
    assert read_secrets(path) == {"FIRST_API_KEY": value, "SECOND": "2"}


@pytest.mark.parametrize("value", ["${HOME}", "$HOME", "a # b", " ends ", "'", '"', "\\n", "a\r\nb", "export A=1"])
def test_nothing_in_a_secret_means_anything(tmp_path: Path, value: str) -> None:
    write_secrets(tmp_path / "a.env", {"NAME": value})
    assert read_secrets(tmp_path / "a.env") == {"NAME": value}


def test_its_owner_alone_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "service" / "a.env"
    path.parent.mkdir(mode=0o755)
    path.touch(mode=0o644)
    write_secrets(path, {"NAME": "value"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_no_variable_can_hold_is_refused_by_its_name_alone(tmp_path: Path) -> None:
    with pytest.raises(ServiceManagerError, match="the variable NAME is not UTF-8") as caught:
        write_secrets(tmp_path / "a.env", {"NAME": "hush\udcff"})
    assert "hush" not in str(caught.value)
    with pytest.raises(ServiceManagerError, match="the variable NAME holds a NUL"):
        write_secrets(tmp_path / "a.env", {"NAME": "a\0b"})
    assert not (tmp_path / "a.env").exists()


def test_a_person_may_write_it_by_hand(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("A=1\nexport B='two words'\nC\n")
    assert read_secrets(tmp_path / "a.env") == {"A": "1", "B": "two words"}


def test_what_is_set_already_counts(tmp_path: Path) -> None:
    write_secrets(tmp_path / "a.env", {"A": "1", "B": "2"})
    environ = {"XOPC_SERVICE_SECRETS": str(tmp_path / "a.env"), "B": "mine"}
    add_secrets(environ)
    assert (environ["A"], environ["B"]) == ("1", "mine")


def test_a_pipe_and_a_device_are_no_file_of_secrets(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.env")
    for path in (tmp_path / "a.env", Path("/dev/zero")):
        with pytest.raises(ConfigError, match="it is no regular file"):
            add_secrets({"XOPC_SERVICE_SECRETS": str(path)})


def test_secrets_that_are_lost_are_told_with_their_place_and_a_cure(tmp_path: Path) -> None:
    path = tmp_path / "a.env"
    with pytest.raises(ConfigError, match=r"cannot be read from .*a\.env \(No such file or directory\): write it anew"):
        add_secrets({"XOPC_SERVICE_SECRETS": str(path)})
    path.write_bytes(b"A=\xff\n")
    with pytest.raises(ConfigError, match=r"a\.env is not UTF-8"):
        add_secrets({"XOPC_SERVICE_SECRETS": str(path)})
