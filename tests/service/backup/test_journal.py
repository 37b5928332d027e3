from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tests.service.backup.worlds import World
from xopc.contracts.errors import XopcError
from xopc.service.backup.journal import (
    Exchange,
    Journal,
    carry_out,
    commit,
    finish_interrupted,
    held_still,
    journal_path,
    remove_leftovers,
)
from xopc_supervisor.contract import LockInfo, start_time


def journal(folder: Path, name: str = "file", *, staged: bool = True) -> Journal:
    exchange = Exchange(str(folder / name), str(folder / "old" / name), str(folder / "new" / name) if staged else None)
    return Journal("the backup", (str(folder / "new"),), (exchange,))


def test_what_was_there_is_moved_aside_and_what_was_staged_takes_its_place(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "file").write_text("new")
    (tmp_path / "file").write_text("old")
    commit(tmp_path, journal(tmp_path))
    assert carry_out(tmp_path) is not None
    assert ((tmp_path / "file").read_text(), (tmp_path / "old" / "file").read_text()) == ("new", "old")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "old"]
    assert carry_out(tmp_path) is None


def test_it_may_be_done_again_from_any_place(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "old").mkdir()
    (tmp_path / "new" / "file").write_text("new")
    (tmp_path / "old" / "file").write_text("old")  # moved already; the process was killed then
    commit(tmp_path, journal(tmp_path))
    carry_out(tmp_path)
    commit(tmp_path, journal(tmp_path))  # killed before the journal was removed
    carry_out(tmp_path)
    assert ((tmp_path / "file").read_text(), (tmp_path / "old" / "file").read_text()) == ("new", "old")


def test_what_somebody_made_in_between_is_moved_aside_too(tmp_path: Path) -> None:
    for folder, text in (("new", "new"), ("old", "old")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text(text)
    (tmp_path / "file").write_text("between")
    commit(tmp_path, journal(tmp_path))
    carry_out(tmp_path)
    assert {path.read_text() for path in (tmp_path / "old").iterdir()} == {"old", "between"}
    assert (tmp_path / "file").read_text() == "new"


def test_what_has_nothing_to_take_its_place_is_moved_aside(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    commit(tmp_path, journal(tmp_path, staged=False))
    carry_out(tmp_path)
    assert not (tmp_path / "file").exists()
    assert (tmp_path / "old" / "file").read_text() == "old"


def test_an_interrupted_one_is_finished_and_told_once(there: World) -> None:
    state = there.paths.state_dir
    (state / "new").mkdir()
    (state / "new" / "file").write_text("new")
    assert finish_interrupted(there.paths) is None
    commit(state, journal(state))
    told = finish_interrupted(there.paths)
    assert told == "A restore of the backup had been interrupted. It is finished now."
    assert (state / "file").read_text() == "new"
    assert finish_interrupted(there.paths) is None


def test_one_that_cannot_be_finished_is_told_with_what_is_in_the_way_and_goes_on_later(there: World) -> None:
    state = there.paths.state_dir
    (state / "new").mkdir()
    (state / "new" / "file").write_text("new")
    (state / "aside").write_text("in the way")
    (state / "file").write_text("old")
    commit(
        state,
        Journal("b", (), (Exchange(str(state / "file"), str(state / "aside" / "file"), str(state / "new" / "file")),)),
    )
    with pytest.raises(XopcError, match=r"cannot be brought to its end: .*/aside.*exist.*call any command"):
        finish_interrupted(there.paths)
    (state / "aside").unlink()
    assert finish_interrupted(there.paths) is not None
    assert [(state / name).read_text() for name in ("file", "aside/file")] == ["new", "old"]


def test_a_journal_that_cannot_be_read_is_told_with_a_cure(there: World) -> None:
    journal_path(there.paths.state_dir).write_text("{")
    with pytest.raises(XopcError, match=r"restore-journal\.json cannot be read.*moving this file away"):
        finish_interrupted(there.paths)


def test_a_gateway_that_runs_is_named_by_its_pid_with_a_cure(there: World) -> None:
    lock = there.paths.lock_path
    lock.parent.mkdir(parents=True)
    with lock.open("w") as file:
        info = LockInfo(
            pid=os.getpid(),
            start_time=start_time(os.getpid()),
            created_at="2026-01-01T00:00:00Z",
            config_path=str(there.paths.config_path),
        )
        file.write(info.to_json())
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(XopcError, match=rf"pid {os.getpid()}.*xopc gateway stop"), held_still(there.paths):
            pass
    with held_still(there.paths):
        pass


def test_a_gateway_of_another_configuration_of_this_state_directory_counts_too(there: World) -> None:
    lock = there.paths.lock_path.with_name("gateway.00000000.lock")
    lock.parent.mkdir(parents=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(XopcError, match=r"gateway\.00000000\.lock"), held_still(there.paths):
            pass


def test_whoever_holds_the_database_is_named(there: World) -> None:
    with (there.paths.state_dir / "xopc.db.lock").open("w") as file:
        file.write("4711\n")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(XopcError, match="process 4711"), held_still(there.paths):
            pass


def test_a_lock_that_a_gateway_removed_as_it_ended_is_not_taken_for_the_one_that_counts(
    there: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = there.paths.lock_path
    taken: list[int] = []
    flock = fcntl.flock

    def end_of_a_gateway(descriptor: int, operation: int) -> None:
        if not taken:  # between the opening of the file and its lock
            lock.unlink()
        taken.append(descriptor)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", end_of_a_gateway)
    with held_still(there.paths), lock.open("w") as file, pytest.raises(BlockingIOError):
        flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_two_restores_exclude_each_other(there: World) -> None:
    with held_still(there.paths), pytest.raises(XopcError, match="Another restore"), held_still(there.paths):
        pass


def test_leftovers_of_killed_ones_are_removed(tmp_path: Path) -> None:
    (tmp_path / "restoring-20260101-000000" / "a").mkdir(parents=True)
    (tmp_path / "restoring").mkdir()
    assert remove_leftovers(tmp_path)
    assert not remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["restoring"]
