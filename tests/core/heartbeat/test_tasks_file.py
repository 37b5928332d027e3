from __future__ import annotations

import os
from pathlib import Path

import pytest

from xopc.core.heartbeat.tasks_file import MAX_BYTES, TasksFileError, read_tasks, write_tasks


def test_what_is_written_is_read_by_its_owner_alone(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    assert read_tasks(workspace) is None
    write_tasks(workspace, "- Call Ann ü\r\n")
    assert read_tasks(workspace) == "- Call Ann ü\r\n"
    assert (workspace / "HEARTBEAT.md").stat().st_mode & 0o777 == 0o600
    write_tasks(workspace, "")
    assert read_tasks(workspace) == ""
    assert [path.name for path in workspace.iterdir()] == ["HEARTBEAT.md"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    notes = tmp_path / "notes.md"
    (tmp_path / "HEARTBEAT.md").symlink_to(notes)
    write_tasks(tmp_path, "- Call Ann")
    assert notes.read_text() == "- Call Ann"
    assert (tmp_path / "HEARTBEAT.md").is_symlink()


def test_what_is_no_text_is_read_as_far_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "HEARTBEAT.md").write_bytes(b"- \xff\n")
    assert read_tasks(tmp_path) == "- \ufffd\n"
    write_tasks(tmp_path, "half of a pair: \ud800")
    assert read_tasks(tmp_path) == "half of a pair: ?"


@pytest.mark.parametrize("size", [20_001, MAX_BYTES + 1])
def test_a_file_that_is_too_long_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "HEARTBEAT.md").write_text("x" * size)
    with pytest.raises(TasksFileError, match="longer than 20000 characters"):
        read_tasks(tmp_path)


def test_what_is_no_file_is_neither_waited_for_nor_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "HEARTBEAT.md")
    for act in (lambda: read_tasks(tmp_path), lambda: write_tasks(tmp_path, "")):
        with pytest.raises(TasksFileError, match=r"HEARTBEAT\.md is no file"):
            act()


def test_an_error_does_not_tell_where_the_file_is(tmp_path: Path) -> None:
    (tmp_path / "workspace").write_text("a file")
    for act in (lambda: read_tasks(tmp_path / "workspace"), lambda: write_tasks(tmp_path / "workspace", "")):
        with pytest.raises(TasksFileError) as caught:
            act()
        assert str(tmp_path) not in str(caught.value)
