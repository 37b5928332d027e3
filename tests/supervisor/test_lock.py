import contextlib
import errno
import fcntl
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xopc_supervisor import lock
from xopc_supervisor.contract import INHERITANCE_VARIABLE, Inheritance, LockInfo, is_alive, start_time
from xopc_supervisor.lock import Lock, LockHeldError, acquire, explain


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

    def __init__(self, path: str, *, forks: bool = False) -> None:
        """With `forks` it is a copy of the process that took the lock, which has ended."""
        code = (
            "import fcntl, os, sys, time; f = open(sys.argv[1], 'r+'); fcntl.flock(f, fcntl.LOCK_EX);"
            "len(sys.argv) > 2 and os.fork() and os._exit(0);"
            "print(os.getpid(), flush=True); time.sleep(60)"
        )
        arguments = [path, "forks"] if forks else [path]
        self.process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.copy = int(self.process.stdout.readline())

    def kill(self) -> None:
        if self.copy != self.process.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.copy, signal.SIGKILL)
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


def test_an_orphaned_candidate_that_does_not_end_is_killed_too(
    path: str, own: LockInfo, holder: Holder, dead_pid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "ORPHAN_SECONDS", 0.2)
    stuck = holder.process.pid
    text = info_of(dead_pid, start_time=1, candidate_pid=stuck, candidate_start_time=start_time(stuck)).to_json()
    Path(path).write_text(text)
    acquire(path, own).release()
    assert holder.process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("is_left", [True, False], ids=["dead", "alive"])
def test_what_forked_from_a_process_of_a_dead_supervisor_is_killed(
    path: str, own: LockInfo, dead_pid: int, monkeypatch: pytest.MonkeyPatch, is_left: bool
) -> None:
    monkeypatch.setattr(lock, "ORPHAN_SECONDS", 0.2)
    acquire(path, own).release()
    supervisor = dead_pid if is_left else os.getpid()
    Path(path).write_text(info_of(dead_pid, start_time=1).to_json())
    monkeypatch.setenv(INHERITANCE_VARIABLE, Inheritance(3, 4, (), "boot", supervisor).to_json())
    forked = Holder(path, forks=True)
    monkeypatch.delenv(INHERITANCE_VARIABLE)
    try:
        if is_left:
            acquire(path, own).release()
        else:
            with pytest.raises(LockHeldError) as raised:
                acquire(path, own)
            assert raised.value.pid == forked.copy
        assert is_alive(forked.copy, None) is not is_left
    finally:
        forked.kill()


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
    path = str(tmp_path / "locks" / "gateway.lock")
    with pytest.raises(OSError, match="locks") as raised:
        acquire(path, own)
    assert explain(path, raised.value)[0] == f"{tmp_path / 'locks'} is not a directory."


def test_a_recorded_orphan_without_the_file_open_is_never_killed(
    path: str, own: LockInfo, holder: Holder, dead_pid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "ORPHAN_SECONDS", 0.2)
    with subprocess.Popen(["sleep", "60"]) as other:
        text = info_of(dead_pid, start_time=1, child_pid=other.pid, child_start_time=start_time(other.pid)).to_json()
        Path(path).write_text(text)
        with pytest.raises(LockHeldError):
            acquire(path, own)
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize("text", ["", "garbage", '{"pid": 4194399, "startTime": 1}'])
def test_whoever_locked_a_file_with_no_or_an_old_text_is_named_at_once(
    path: str, own: LockInfo, holder: Holder, text: str
) -> None:
    Path(path).write_text(text)
    began = time.monotonic()
    with pytest.raises(LockHeldError) as raised:
        acquire(path, own)
    assert raised.value.pid == holder.process.pid
    assert time.monotonic() - began < 1


def test_where_the_kernel_does_not_tell_who_locked_it_is_waited_for(
    path: str, own: LockInfo, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LOCKS", "/nowhere")
    timer = threading.Timer(0.2, holder.kill)
    timer.start()
    acquire(path, own).release()
    timer.join()


def test_row_096_a_text_that_names_a_reused_pid_stops_nobody(path: str, own: LockInfo) -> None:
    os.makedirs(os.path.dirname(path))
    reused = info_of(os.getppid())
    # With and without the start time, which is not known where there is no /proc: the kernel's lock is what counts.
    for started in (1, None):
        Path(path).write_text(reused._replace(start_time=started).to_json())
        acquire(path, own).release()


FULL_DISK = """
import os, resource, sys
from xopc_supervisor.contract import LockInfo
from xopc_supervisor.lock import acquire
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
held = acquire(sys.argv[1], LockInfo(os.getpid(), 1, "/x.json", ""))
try:
    held.update(held.info)
except OSError:
    print("held", flush=True)
sys.stdin.readline()
held.release()
"""


@pytest.mark.parametrize("before", [None, LockInfo(4711, 1, "/x.json", "").to_json()])
def test_a_text_that_the_disk_does_not_take_keeps_no_gateway_from_starting(
    path: str, own: LockInfo, before: str | None
) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] != 0
    if before is not None:
        os.makedirs(os.path.dirname(path))
        Path(path).write_text(before)
    command = [sys.executable, "-c", FULL_DISK, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert Path(path).read_text() == "", "the text of an earlier gateway is not left"
        with pytest.raises(LockHeldError) as raised:
            acquire(path, own)
        assert raised.value.pid == process.pid
        process.communicate("\n")
    assert not Path(path).exists()


def test_a_link_is_not_followed(path: str, tmp_path: Path, own: LockInfo) -> None:
    os.makedirs(os.path.dirname(path))
    target = tmp_path / "xopc.json"
    target.write_text("{}")
    Path(path).symlink_to(target)
    with pytest.raises(OSError, match="symbolic") as raised:
        acquire(path, own)
    assert target.read_text() == "{}"
    what, cure = explain(path, raised.value)
    assert what == f"{path} is a symbolic link, and has to be a file."
    assert cure == f"Remove it: rm {path}"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_told(path: str, own: LockInfo, make: Callable[[str], None]) -> None:
    os.makedirs(os.path.dirname(path))
    make(path)
    with pytest.raises(OSError, match=r"gateway\.0a1b2c3d\.lock") as raised:
        acquire(path, own)
    assert explain(path, raised.value)[0] == f"{path} is not a file."


def test_a_directory_of_another_user_is_told_with_its_owner(tmp_path: Path) -> None:
    foreign = "/" if os.geteuid() else str(tmp_path / "state")
    if not os.geteuid():
        os.mkdir(foreign)
        os.chown(foreign, 65533, -1)
    path = os.path.join(foreign, "locks", "gateway.lock")
    error = PermissionError(errno.EACCES, "Permission denied", os.path.dirname(path))
    what, cure = explain(path, error)
    owner = "root" if os.geteuid() else "user 65533"
    assert what == f"Cannot take the lock {path}: this user may not write to {foreign}, which belongs to {owner}."
    assert "XOPC_STATE_DIR" in cure


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EROFS, "read-only file system"),
        (errno.ENOSPC, "the disk is full"),
        (errno.ENOLCK, "does not know locks"),
        (errno.EIO, os.strerror(errno.EIO)),
        (errno.EACCES, "this user may not write"),
    ],
)
def test_what_the_disk_refuses_is_told_with_the_path_and_what_to_do(path: str, number: int, words: str) -> None:
    what, cure = explain(path, OSError(number, os.strerror(number), path))
    assert path in what
    assert words in what
    assert "XOPC_STATE_DIR" in cure


def test_a_lock_whose_file_was_removed_is_still_the_owners_to_give_up(path: str, own: LockInfo) -> None:
    held = acquire(path, own)
    os.unlink(path)
    os.rmdir(os.path.dirname(path))
    held.update(own._replace(state="serving"))
    held.release()
    assert not os.path.exists(os.path.dirname(path))
