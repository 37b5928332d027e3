from __future__ import annotations

from pathlib import Path

from xopc.service.managers.base import SECRETS_FILE_VARIABLE
from xopc.service.managers.secrets_file import write_secrets
from xopc.service.managers.secrets_of import remove_secrets, secrets_of


def test_the_file_that_the_environment_names_is_read_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "service" / "a.env"
    write_secrets(path, {"A": "b"})
    environment = {SECRETS_FILE_VARIABLE: str(path)}
    assert secrets_of(environment) == {"A": "b"}
    remove_secrets(environment)
    assert not path.parent.exists()
    assert secrets_of(environment) == {}
    remove_secrets(environment)


def test_the_secrets_of_another_profile_stay(tmp_path: Path) -> None:
    paths = [tmp_path / "service" / f"{name}.env" for name in "ab"]
    for path in paths:
        write_secrets(path, {"A": "b"})
    remove_secrets({SECRETS_FILE_VARIABLE: str(paths[0])})
    assert [path.exists() for path in paths] == [False, True]


def test_without_such_a_variable_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert secrets_of({}) == {}
    remove_secrets({})


def test_a_file_that_is_no_text_has_no_secrets(tmp_path: Path) -> None:
    path = tmp_path / "a.env"
    path.write_bytes(b"\xff\xfe")
    assert secrets_of({SECRETS_FILE_VARIABLE: str(path)}) == {}
