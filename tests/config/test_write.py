from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from xopc.config.write import create_document, is_read_only, replace_document, write_private


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "xopc.json"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_a_new_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    file = tmp_path / "etc" / "xopc.json"
    assert create_document(file, {"gateway": {"port": 1}})
    assert json.loads(file.read_text()) == {"gateway": {"port": 1}}
    assert mode(file) == 0o600
    assert mode(file.parent) == 0o700
    assert names(file.parent) == {"xopc.json"}


def test_a_file_that_is_there_is_not_created_again(file: Path) -> None:
    file.write_text("mine")
    assert not create_document(file, {})
    assert file.read_text() == "mine"
    assert names(file.parent) == {"xopc.json"}


def test_a_file_system_without_links_is_written_too(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert create_document(file, {"a": 1})
    assert not create_document(file, {"a": 2})
    assert json.loads(file.read_text()) == {"a": 1}
    assert names(file.parent) == {"xopc.json"}


def test_a_replaced_file_leaves_its_bytes_as_backup(file: Path) -> None:
    before = b"// mine\r\n{}"
    file.write_bytes(before)
    file.chmod(0o644)
    replace_document(file, {"a": "é", "b": [1, 1.0, None, True]}, before)
    assert file.read_text() == '{\n  "a": "é",\n  "b": [\n    1,\n    1.0,\n    null,\n    true\n  ]\n}\n'
    backup = file.with_name("xopc.json.bak")
    assert backup.read_bytes() == before
    assert mode(file) == mode(backup) == 0o600
    assert names(file.parent) == {"xopc.json", "xopc.json.bak"}


def test_ten_backups_are_kept_and_the_oldest_falls_out(file: Path) -> None:
    file.write_text("{}")
    for number in range(1, 13):
        replace_document(file, {"n": number}, file.read_bytes())
    assert json.loads(file.read_text()) == {"n": 12}
    backups = [file.with_name("xopc.json.bak"), *(file.with_name(f"xopc.json.bak.{n}") for n in range(1, 10))]
    assert [json.loads(backup.read_text())["n"] for backup in backups] == list(range(11, 1, -1))
    assert len(names(file.parent)) == 11


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    target = tmp_path / "dotfiles" / "config.json"
    target.write_text("{}")
    link = tmp_path / "xopc.json"
    link.symlink_to(target)
    replace_document(link, {"a": 1}, b"{}")
    assert link.is_symlink()
    assert json.loads(target.read_text()) == {"a": 1}
    assert names(target.parent) == {"config.json", "config.json.bak"}


def test_a_failed_write_changes_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("{}")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        replace_document(file, {"a": 1}, b"{}")
    assert file.read_text() == "{}"
    assert names(file.parent) == {"xopc.json"}


def test_what_somebody_has_saved_meanwhile_is_not_replaced(file: Path) -> None:
    file.write_text('{"mine": 1}')
    assert not replace_document(file, {"a": 1}, b"{}")
    assert file.read_text() == '{"mine": 1}'
    assert names(file.parent) == {"xopc.json"}
    assert replace_document(file, {"a": 1}, b'{"mine": 1}')
    assert json.loads(file.read_text()) == {"a": 1}


def test_what_somebody_saves_while_the_new_file_is_brought_to_the_disk_is_kept(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("{}")

    def edit(_: int) -> None:
        file.write_text('{"by": "hand"}')

    monkeypatch.setattr(os, "fsync", edit)
    assert not replace_document(file, {"a": 1}, b"{}")
    assert json.loads(file.read_text()) == {"by": "hand"}
    assert names(file.parent) == {"xopc.json"}


def test_what_json_can_hold_but_utf_8_cannot_is_kept(file: Path) -> None:
    values = json.loads('{"a": "\\ud800"}')
    assert create_document(file, values)
    assert json.loads(file.read_text()) == values


def test_a_file_without_write_permission_is_read_only(file: Path) -> None:
    file.write_text("{}")
    assert not is_read_only(file)
    file.chmod(0o400)
    assert is_read_only(file)
    file.unlink()
    assert not is_read_only(file)


def test_a_private_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "kept" / "a.json"
    write_private(file, b"one")
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)
    write_private(file, b"two")
    assert file.read_bytes() == b"two"

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_private(file, b"three")
    assert file.read_bytes() == b"two"
    assert names(file.parent) == {"a.json"}
