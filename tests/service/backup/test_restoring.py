from __future__ import annotations

import io
import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from attrs import evolve

from tests.service.backup.worlds import World, world
from xopc.contracts.errors import XopcError
from xopc.service.backup import restoring
from xopc.service.backup.journal import finish_interrupted, journal_path
from xopc.service.backup.reading import verify
from xopc.service.backup.restoring import Plan, Restored, plan_restore, restore_backup
from xopc.storage.connect import connect_writer

KILLED_RESTORE = """
import os, signal, sys
from pathlib import Path
from tests.service.backup.test_restoring import put_back
from tests.service.backup.worlds import World

home, backup, left = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def dying(call):
    def one(*args, **more):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **more)
    return one

for owner, names in ((Path, ("rename", "replace", "mkdir", "unlink")), (os, ("fsync", "utime"))):
    for name in names:
        setattr(owner, name, dying(getattr(owner, name)))
put_back(World(home, {"HOME": str(home), "XOPC_HOME": str(home)}), backup.open("rb"))
"""


def plan(there: World, backup: io.BytesIO, *, apart: bool = False) -> Plan:
    return plan_restore(verify(backup, "it"), there.paths, there.environ, apart=apart)


def put_back(there: World, backup: io.BytesIO, *, hold: bool = True) -> Restored:
    return restore_backup(backup, "it", plan(there, backup), there.paths, hold=hold)


def test_all_of_it_is_as_it_was_and_what_was_there_is_moved_aside(there: World) -> None:
    backup = there.backup()
    there.write("b")
    (there.paths.workspace / "new.txt").write_text("b")
    restored = put_back(there, backup)
    assert there.says() == {"a"}
    assert not (there.paths.workspace / "new.txt").exists()
    (aside,) = restored.aside
    assert (Path(aside) / "workspace" / "new.txt").read_text() == "b"
    with closing(sqlite3.connect(Path(aside) / "xopc.db")) as old:
        assert old.execute("SELECT count(*) FROM outbox").fetchone() == (2,)
    left = {path.name for path in there.paths.state_dir.iterdir()}
    assert not {name for name in left if name.startswith(("restoring-", "restore-"))}


def test_what_no_backup_holds_stays_where_it_is(there: World) -> None:
    backup = there.backup()
    (there.paths.state_dir / "logs").mkdir()
    put_back(there, backup)
    assert (there.paths.state_dir / "logs").is_dir()


def test_a_backup_without_the_workspace_leaves_it_alone(there: World) -> None:
    backup = there.backup(workspace=False)
    there.write("b")
    put_back(there, backup)
    assert there.says() == {"a", "b"}


def test_what_the_backup_found_missing_is_moved_aside(there: World) -> None:
    there.paths.models.unlink()
    backup = there.backup()
    there.paths.models.write_text("{}")
    restored = put_back(there, backup)
    assert not there.paths.models.exists()
    assert (Path(restored.aside[0]) / "models.json").read_text() == "{}"


def test_a_write_ahead_log_of_what_was_there_is_not_taken_for_one_of_the_backup(there: World) -> None:
    backup = there.backup()
    with closing(connect_writer(there.paths.database)) as connection:
        connection.execute("DELETE FROM outbox")
        for side in ("-wal", "-shm"):
            file = there.paths.database.with_name(f"xopc.db{side}")
            file.with_name(f"kept{side}").write_bytes(file.read_bytes())
    for side in ("-wal", "-shm"):
        there.paths.state_dir.joinpath(f"kept{side}").rename(there.paths.state_dir / f"xopc.db{side}")
    restored = put_back(there, backup)
    assert there.says() == {"a"}
    assert (Path(restored.aside[0]) / "xopc.db-wal").exists()


def test_a_machine_without_anything_gets_it_all(there: World, tmp_path: Path) -> None:
    home = tmp_path / "elsewhere"
    home.mkdir()
    other = World(home, {"HOME": str(home), "XOPC_HOME": str(home)})
    restored = put_back(other, there.backup())
    assert (other.says(), restored.aside) == ({"a"}, ())


def test_what_stands_outside_of_the_state_directory_is_replaced_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    there = world(
        tmp_path,
        XOPC_CONFIG_PATH=str(tmp_path / "etc" / "xopc.json"),
        XOPC_WORKSPACE=str(tmp_path / "work"),
        XOPC_MODELS_JSON=str(tmp_path / "etc" / "models.json"),
    )
    backup = there.backup()
    there.write("b")
    restored = put_back(there, backup)
    assert there.says() == {"a"}
    outside = [Path(path) for path in restored.aside if ".xopc" not in path]
    assert sorted(path.name.partition(".before-restore-")[0] for path in outside) == [
        "models.json",
        "work",
        "xopc.json",
    ]
    assert all(path.exists() for path in outside)
    assert not list((tmp_path / "etc").glob(".restoring*"))


def test_the_configuration_may_be_a_link_and_stays_one(tmp_path: Path) -> None:
    there = world(tmp_path)
    real = tmp_path / "real.json"
    there.paths.config_path.rename(real)
    there.paths.config_path.symlink_to(real)
    there.write("a")
    backup = there.backup()
    there.write("b")
    put_back(there, backup)
    assert there.paths.config_path.is_symlink()
    assert there.says() == {"a"}


def test_the_workspace_that_the_backup_names_is_the_one_that_is_replaced(tmp_path: Path) -> None:
    there = world(tmp_path)
    there.paths.config_path.write_text('{"agents": {"defaults": {"workspace": "~/mine"}}}')
    backup = there.backup()
    assert plan(there, backup).places["workspace"] == tmp_path / "mine"
    apart = plan(there, backup, apart=True)
    assert apart.places["workspace"] == there.paths.workspace
    assert "agents.defaults.workspace" in apart.warnings[0]


def test_a_workspace_outside_is_told_where_this_machine_does_not_name_it(there: World, tmp_path: Path) -> None:
    config = json.dumps({"agents": {"defaults": {"workspace": "~/mine"}}})
    verified = evolve(verify(there.backup(), "it"), config=config.encode())
    outside = tmp_path / "mine"

    def named(**environ: str) -> Path | None:
        return plan_restore(verified, there.paths, {**there.environ, **environ}, apart=False).named_by_backup

    assert named() == outside
    for text in ("no JSON", '{"agents": {"defaults": {"workspace": "~/other"}}}'):
        there.paths.config_path.write_text(text)
        assert named() == outside
    there.paths.config_path.unlink()
    assert named() == outside
    there.paths.config_path.write_text(config)
    assert named() is None
    assert plan_restore(verified, there.paths, there.environ, apart=True).named_by_backup is None


def test_what_waited_is_held_unless_it_is_to_be_sent_again(there: World) -> None:
    backup = there.backup()
    assert put_back(there, backup).held.outbox == 1
    assert _states(there) == ["dead"]
    assert put_back(there, backup, hold=False).held.outbox == 0
    assert _states(there) == ["pending"]


def test_a_disk_without_room_is_told_before_anything_is_written(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = there.backup()
    there.write("b")
    monkeypatch.setattr(restoring, "SPARE_BYTES", 2**62)
    with pytest.raises(XopcError, match="no room"):
        put_back(there, backup)
    assert not list(there.paths.state_dir.glob("restoring-*"))


def test_one_that_changed_since_it_was_checked_changes_nothing(there: World) -> None:
    backup = there.backup()
    wanted = plan(there, backup)
    there.write("b")
    cut = io.BytesIO(backup.getvalue()[:-100])
    with pytest.raises(XopcError, match="Nothing was restored"):
        restore_backup(cut, "it", wanted, there.paths, hold=True)
    assert there.says() == {"b", "a,b"}
    assert not journal_path(there.paths.state_dir).exists()
    assert not list(there.paths.state_dir.glob("restoring-*"))


def test_a_mount_point_is_refused_with_a_cure(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_mount(path: Path) -> bool:
        return path == there.paths.workspace

    monkeypatch.setattr(Path, "is_mount", is_mount)
    with pytest.raises(XopcError, match=r"mount point.*--to"):
        plan(there, there.backup())


@pytest.mark.parametrize(
    ("workspace", "what"),
    [
        ("~", "holds .*/.xopc"),
        ("~/.xopc", "is .*/.xopc"),
        ("~/.xopc/locks", "is .*/.xopc/locks"),
        ("~/.xopc/credentials", "is .*/.xopc/credentials"),
        ("~/.xopc/xopc.json", "is .*/.xopc/xopc.json"),
        ("~/.xopc/xopc.json/x", "/xopc.json holds .*/xopc.json/x"),
    ],
)
def test_a_workspace_that_is_or_holds_what_has_to_stay_is_refused(there: World, workspace: str, what: str) -> None:
    config = json.dumps({"agents": {"defaults": {"workspace": workspace}}}).encode()
    verified = evolve(verify(there.backup(), "it"), config=config)
    with pytest.raises(XopcError, match=rf"{what}, which cannot be exchanged\. .*--to"):
        plan_restore(verified, there.paths, there.environ, apart=False)
    assert plan_restore(verified, there.paths, there.environ, apart=True).warnings


@pytest.mark.timeout(240)
def test_killed_at_any_step_it_leaves_the_old_or_the_new_and_the_next_command_says_which(tmp_path: Path) -> None:
    # Slow: each step is the death of a process of its own.
    origin = world(tmp_path / "origin")
    backup = tmp_path / "backup.tar.gz"
    backup.write_bytes(origin.backup().getvalue())
    old = new = finished = 0
    for steps in range(0, 400, 3):
        there = world(tmp_path / str(steps), "b")
        done = subprocess.run(
            [sys.executable, "-c", KILLED_RESTORE, str(there.home), str(backup), str(steps)], check=False, timeout=60
        )
        told = finish_interrupted(there.paths)
        if there.says() == {"a"}:
            new += 1
            finished += told is not None
        else:
            assert (there.says(), told) == ({"b"}, None)
            old += 1
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        with backup.open("rb") as file:  # and it can be done again
            put_back(there, io.BytesIO(file.read()))
        assert there.says() == {"a"}
        assert not list(there.paths.state_dir.glob("restoring-*"))
    assert min(old, new, finished) > 2, (old, new, finished)


def _states(there: World) -> list[str]:
    with closing(sqlite3.connect(there.paths.database)) as connection:
        return [state for (state,) in connection.execute("SELECT state FROM outbox")]
