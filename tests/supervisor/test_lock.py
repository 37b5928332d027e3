import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from xopc_supervisor import lock
from xopc_supervisor.contract import LockInfo, start_time
from xopc_supervisor.lock import Lock, LockHeldError, acquire


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "locks" / "gateway.0a1b2c3d.lock")


def info_of(pid: int, **fields: object) -> LockInfo:
    info = LockInfo(pid=pid, start_time=start_time(pid), config_path="/x.json", created_at="2026-01-02T03:04:05Z")
    return info._replace(**fields)  # type: ignore[arg-type]  # the tests name real fields


@pytest.fixture
def own() -> LockInfo:
    return info_of(os.getpid())


@pytest.fixture
def dead_pid() -> int:
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


class Holder:
    """Another process that holds the kernel's lock on a file."""

    def __init__(self, path: str) -> None:
        code = (
            "import fcntl, sys, time; f = open(sys.argv[1], 'r+'); fcntl.flock(f, fcntl.LOCK_EX);"
            "print(flush=True); time.sleep(60)"
        )
        self.process = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def holder(path: str, own: LockInfo) -> Iterator[Holder]:
    acquire(path, own).release()
    Path(path).touch(0o600)
    holder = Holder(path)
    yield holder
    holder.kill()


def test_the_lock_is_a_private_file_that_says_who_holds_it(path: str, own: LockInfo) -> None:
    held = acquire(path, own)
    assert LockInfo.from_json(Path(path).read_text()) == own
    assert Path(path).stat().st_mode & 0o777 == 0o600
    assert Path(path).parent.stat().st_mode & 0o777 == 0o700
    held.release()
    assert not Path(path).exists()


def test_a_second_start_fails_at_once_and_names_the_pid(path: str, own: LockInfo) -> None:
    held = acquire(path, own)
    began = time.monotonic()
    with pytest.raises(LockHeldError) as raised:
        acquire(path, own)
    assert raised.value.pid == os.getpid()
    assert time.monotonic() - began < 1
    held.release()


def test_a_file_that_nobody_locks_is_taken_over_whatever_it_says(path: str, own: LockInfo) -> None:
    for text in ["", "garbage", own.to_json(), "\0" * 100]:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).write_text(text)
        acquire(path, own).release()


def test_the_text_is_rewritten_in_place(path: str, own: LockInfo) -> None:
    held = acquire(path, own)
    inode = Path(path).stat().st_ino
    held.update(own._replace(child_pid=4711, version="0.1.0"))
    held.update(own)
    assert Path(path).stat().st_ino == inode
    assert Path(path).read_text() == own.to_json()
    held.release()


def test_the_orphan_of_a_dead_supervisor_is_waited_for(path: str, own: LockInfo, holder: Holder, dead_pid: int) -> None:
    Path(path).write_text(info_of(dead_pid, start_time=1, child_pid=holder.process.pid).to_json())
    timer = threading.Timer(0.3, holder.kill)
    timer.start()
    acquire(path, own).release()
    timer.join()


def test_an_orphan_that_does_not_end_is_killed(
    path: str, own: LockInfo, holder: Holder, dead_pid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "ORPHAN_SECONDS", 0.2)
    child = holder.process.pid
    text = info_of(dead_pid, start_time=1, child_pid=child, child_start_time=start_time(child)).to_json()
    Path(path).write_text(text)
    acquire(path, own).release()
    assert holder.process.wait() == -signal.SIGKILL


def test_a_process_that_is_not_the_recorded_orphan_is_never_killed(
    path: str, own: LockInfo, holder: Holder, dead_pid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "ORPHAN_SECONDS", 0.2)
    text = info_of(dead_pid, start_time=1, child_pid=holder.process.pid, child_start_time=1).to_json()
    Path(path).write_text(text)
    with pytest.raises(LockHeldError):
        acquire(path, own)
    assert holder.process.poll() is None


def test_a_file_that_was_replaced_while_it_was_waited_for_is_opened_again(path: str, own: LockInfo) -> None:
    held = acquire(path, own)
    os.unlink(path)
    second = acquire(path, own)
    held.release()
    assert Path(path).exists(), "the first owner must not remove the file of the second"
    second.release()


def test_a_descriptor_kept_by_a_child_keeps_the_lock(path: str, own: LockInfo) -> None:
    held = acquire(path, own)
    duplicate = os.dup(held.fd)
    os.close(held.fd)
    with open(path, "rb+") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    Lock(path, duplicate, own).release()


def test_a_directory_that_cannot_be_written_is_an_oserror(tmp_path: Path, own: LockInfo) -> None:
    (tmp_path / "locks").write_text("a file where the directory should be")
    with pytest.raises(OSError, match="locks"):
        acquire(str(tmp_path / "locks" / "gateway.lock"), own)
