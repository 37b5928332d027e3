from __future__ import annotations

import os
from collections.abc import Callable
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


def test_a_link_within_the_workspace_stays_one(tmp_path: Path) -> None:
    workspace = tmp_path / "linked"
    workspace.symlink_to(tmp_path / "real")
    (tmp_path / "real").mkdir()
    notes = tmp_path / "real" / "notes.md"
    (workspace / "HEARTBEAT.md").symlink_to(notes)
    write_tasks(workspace, "- Call Ann")
    assert notes.read_text() == read_tasks(workspace) == "- Call Ann"
    assert (workspace / "HEARTBEAT.md").is_symlink()


@pytest.mark.parametrize("target", ["../xopc.json", "/dev/zero", "/dev/stdin", "folder/HEARTBEAT.md", ".."])
def test_a_link_out_of_the_workspace_is_neither_followed_nor_replaced(tmp_path: Path, target: str) -> None:
    secrets, workspace = tmp_path / "xopc.json", tmp_path / "workspace"
    secrets.write_text("a secret")
    workspace.mkdir()
    (workspace / "folder").symlink_to(tmp_path)
    (workspace / "HEARTBEAT.md").symlink_to(target)
    for act in (lambda: read_tasks(workspace), lambda: write_tasks(workspace, "mine now")):
        with pytest.raises(TasksFileError, match="a link out of the workspace"):
            act()
    assert secrets.read_text() == "a secret"
    assert not (tmp_path / "HEARTBEAT.md").exists()


def test_links_in_a_circle_are_told_and_give_way_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "HEARTBEAT.md").symlink_to("HEARTBEAT.md")
    with pytest.raises(TasksFileError, match="cannot be read: Too many levels of symbolic links"):
        read_tasks(tmp_path)
    write_tasks(tmp_path, "- Call Ann")
    assert read_tasks(tmp_path) == "- Call Ann"


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


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_is_neither_waited_for_nor_replaced(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "HEARTBEAT.md")
    for act in (lambda: read_tasks(tmp_path), lambda: write_tasks(tmp_path, "")):
        with pytest.raises(TasksFileError, match=r"HEARTBEAT\.md is no file"):
            act()


def test_an_error_does_not_tell_where_the_file_is(tmp_path: Path) -> None:
    (tmp_path / "workspace").write_text("a file")
    for act in (lambda: read_tasks(tmp_path / "workspace"), lambda: write_tasks(tmp_path / "workspace", "")):
        with pytest.raises(TasksFileError) as caught:
            act()
        assert str(tmp_path) not in str(caught.value)
