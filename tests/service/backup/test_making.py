from __future__ import annotations

import io
import os
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.service.backup.worlds import World
from xopc.contracts.errors import XopcError
from xopc.service.backup.making import Source, make_backup
from xopc.service.backup.reading import verify


def test_a_backup_holds_each_part_and_its_manifest_comes_last(there: World) -> None:
    with tarfile.open(fileobj=io.BytesIO(there.backup().getvalue()), mode="r:gz") as archive:
        names = archive.getnames()
    assert names[-1] == "manifest.json"
    assert {name.split("/", 1)[0] for name in names[:-1]} == {
        "xopc.json",
        "accepted.json",
        "models.json",
        "database.db",
        "credentials",
        "secrets",
        "service",
        "workspace",
    }


def test_no_names_of_users_and_no_permissions_of_others_are_in_it(there: World) -> None:
    script = there.paths.workspace / "run.sh"
    script.touch()
    script.chmod(0o755)
    with tarfile.open(fileobj=io.BytesIO(there.backup().getvalue()), mode="r:gz") as archive:
        members = archive.getmembers()
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "", "")}
    assert {member.name: member.mode for member in members if member.isreg() and member.mode != 0o600} == {
        "workspace/run.sh": 0o700
    }


def test_it_goes_through_a_pipe(there: World, tmp_path: Path) -> None:
    out, into = os.pipe()
    with os.fdopen(into, "wb") as pipe, ThreadPoolExecutor(1) as pool:
        read = pool.submit(_all_of, out)
        make_backup(Source(there.paths), pipe, tmp_path)
        pipe.close()
        assert verify(io.BytesIO(read.result()), "it").manifest.schema > 0


def test_names_of_any_bytes_are_kept(there: World) -> None:
    (there.paths.workspace / "a\udcff\n\\b").write_text("strange")
    manifest = verify(there.backup(), "it").manifest
    assert "workspace/a\\udcff\n\\\\b" in [file.path for file in manifest.files]


def test_a_file_that_grows_all_the_time_is_stored_as_it_was_at_some_moment(there: World) -> None:
    growing, stop = there.paths.workspace / "growing.log", threading.Event()
    growing.touch()

    def grow() -> None:
        with growing.open("ab", buffering=0) as file:
            while not stop.wait(0.0001):
                file.write(b"0123456789\n" * 200)

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        made = [there.backup() for _ in range(5)]
    finally:
        stop.set()
        thread.join()
    for one in made:
        verify(one, "it")


def test_without_the_workspace_the_manifest_says_so(there: World) -> None:
    manifest = verify(there.backup(workspace=False), "it").manifest
    assert "workspace" not in manifest.parts
    assert not any(file.path.startswith("workspace") for file in manifest.files)


def test_without_a_database_there_is_none(there: World) -> None:
    for file in there.paths.state_dir.glob("xopc.db*"):
        file.unlink()
    manifest = verify(there.backup(), "it").manifest
    assert (manifest.schema, "database.db" in manifest.parts) == (0, True)


def test_a_damaged_database_makes_no_backup(there: World, tmp_path: Path) -> None:
    there.paths.database.write_bytes(b"no database" * 1000)
    with pytest.raises(XopcError, match="damaged"):
        make_backup(Source(there.paths), io.BytesIO(), tmp_path)


def test_what_is_stored_is_told_as_it_goes(there: World, tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []
    make_backup(Source(there.paths), io.BytesIO(), tmp_path, lambda name, done: told.append((name, done)))
    assert told[0] == ("xopc.json", 0)
    assert [done for _, done in told] == sorted(done for _, done in told)


def _all_of(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()
