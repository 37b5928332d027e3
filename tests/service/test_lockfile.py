"""Reading the lock file, without taking the lock."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from xopc.service.lockfile import read_lock
from xopc_supervisor.child import MAX_PENDING_BYTES
from xopc_supervisor.contract import LockInfo, start_time
from xopc_supervisor.lock import acquire

MYSELF = LockInfo(os.getpid(), start_time(os.getpid()), "/home/a/xopc.json", "2026-01-01T00:00:00Z")


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_without_a_file_nothing_is_alive(tmp_path: Path) -> None:
    lock = read_lock(tmp_path / "gateway.lock")
    assert (lock.info, lock.is_alive, lock.orphans) == (None, False, ())


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '{"pid": "1"}', "\xff"])
def test_what_is_no_locks_text_is_no_owner(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gateway.lock"
    path.write_text(text, encoding="latin-1")
    assert read_lock(path).info is None


def test_the_owner_is_alive_while_its_process_is(tmp_path: Path) -> None:
    path = tmp_path / "gateway.lock"
    path.write_text(MYSELF.to_json())
    lock = read_lock(path)
    assert lock.is_alive
    assert lock.orphans == ()
    assert lock.info == MYSELF


def test_an_owner_with_a_very_long_problem_is_known(tmp_path: Path) -> None:
    held = acquire(str(tmp_path / "gateway.lock"), MYSELF)
    held.update(MYSELF._replace(problem="é" * (MAX_PENDING_BYTES // 2)))
    lock = read_lock(tmp_path / "gateway.lock")
    assert lock.is_alive
    assert lock.info == held.info
    held.release()


def test_a_dead_owner_is_not_alive(tmp_path: Path) -> None:
    path = tmp_path / "gateway.lock"
    path.write_text(MYSELF._replace(pid=ended_process(), start_time=1).to_json())
    lock = read_lock(path)
    assert not lock.is_alive
    assert lock.info is not None


def test_row_096_another_process_with_the_same_pid_is_not_the_owner(tmp_path: Path) -> None:
    path = tmp_path / "gateway.lock"
    assert MYSELF.start_time is not None
    path.write_text(MYSELF._replace(start_time=MYSELF.start_time - 1).to_json())
    assert not read_lock(path).is_alive


def test_a_child_that_outlives_its_supervisor_is_an_orphan(tmp_path: Path) -> None:
    path = tmp_path / "gateway.lock"
    orphan = MYSELF._replace(pid=ended_process(), child_pid=os.getpid(), child_start_time=MYSELF.start_time)
    path.write_text(orphan.to_json())
    assert read_lock(path).orphans == (os.getpid(),)
    path.write_text(orphan._replace(child_start_time=1).to_json())
    assert read_lock(path).orphans == ()


def test_a_candidate_that_outlives_its_supervisor_is_one_too(tmp_path: Path) -> None:
    path = tmp_path / "gateway.lock"
    dead = ended_process()
    orphan = MYSELF._replace(pid=dead, child_pid=dead, candidate_pid=os.getpid())
    path.write_text(orphan.to_json())
    assert read_lock(path).orphans == (os.getpid(),)


def test_it_is_known_when_the_text_was_written(tmp_path: Path) -> None:
    path = tmp_path / "gateway.lock"
    path.write_text(MYSELF.to_json())
    os.utime(path, (0, 1_767_225_600))
    assert read_lock(path).written_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_reading_never_keeps_a_gateway_from_taking_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "gateway.lock"
    held = acquire(str(path), MYSELF)
    assert read_lock(path).is_alive
    held.release()
    acquire(str(path), MYSELF).release()
    assert not read_lock(path).is_alive
    assert not path.exists()


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("a file where a directory should be")
    with pytest.raises(NotADirectoryError):
        read_lock(tmp_path / "locks" / "gateway.lock")


def test_a_pipe_and_a_directory_are_no_lock(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gateway.lock")
    for path in (tmp_path / "gateway.lock", tmp_path):
        lock = read_lock(path)
        assert (lock.info, lock.is_irregular, lock.is_alive) == (None, True, False)
