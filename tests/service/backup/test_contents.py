from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from pathlib import Path

from tests.service.backup.worlds import World
from xopc.service.backup.contents import Found, places, walk
from xopc.service.backup.manifest import PARTS, LeftOut


def names(found: Iterable[Found | LeftOut]) -> list[str]:
    return [one.name for one in found if isinstance(one, Found)]


def left_out(found: Iterable[Found | LeftOut]) -> dict[str, str]:
    return {one.path: one.why for one in found if isinstance(one, LeftOut)}


def test_each_part_of_a_backup_has_a_place(there: World) -> None:
    assert set(places(there.paths)) == set(PARTS)
    assert set(PARTS) - set(places(there.paths, workspace=False)) == {"workspace"}


def test_a_folder_comes_before_what_is_in_it_and_in_order(there: World) -> None:
    (there.paths.workspace / "empty").mkdir()
    found = names(walk("workspace", there.paths.workspace, frozenset()))
    assert found == ["workspace", "workspace/empty", "workspace/notes", "workspace/notes/today.md"]


def test_what_is_no_file_and_what_can_be_made_again_is_left_out(there: World, tmp_path: Path) -> None:
    workspace = there.paths.workspace
    for cache in ("node_modules", "__pycache__", "tagged"):
        (workspace / cache).mkdir()
        (workspace / cache / "CACHEDIR.TAG").touch()
    (workspace / "link").symlink_to("/etc/passwd")
    os.mkfifo(workspace / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        descriptor = os.open(workspace, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{descriptor}/socket")
        os.close(descriptor)
        found = list(walk("workspace", workspace, frozenset()))
    assert left_out(found) == {
        "workspace/__pycache__": "a cache",
        "workspace/link": "a link",
        "workspace/node_modules": "a cache",
        "workspace/pipe": "a pipe",
        "workspace/socket": "a socket",
        "workspace/tagged": "a cache",
    }


def test_the_key_of_this_machine_stays_on_it(there: World) -> None:
    (there.paths.local_key).write_text("00")
    assert names(walk("credentials", there.paths.local_key.parent, frozenset())) == [
        "credentials",
        "credentials/whatsapp.json",
    ]


def test_a_state_directory_in_the_workspace_is_left_out(there: World) -> None:
    found = list(walk("workspace", there.home, frozenset({there.paths.state_dir})))
    assert left_out(found) == {"workspace/.xopc": "a part of xopc's own state"}


def test_a_part_may_be_a_link_and_what_is_not_there_is_nothing(there: World, tmp_path: Path) -> None:
    (tmp_path / "named").symlink_to(there.paths.config_path)
    assert names(walk("xopc.json", tmp_path / "named", frozenset())) == ["xopc.json"]
    assert list(walk("models.json", tmp_path / "missing", frozenset())) == []
