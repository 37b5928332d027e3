"""The lock of one configuration: the kernel's `flock` on an open file, whose text only informs.

The descriptor is inherited by the child, so the lock says that *some* process of this gateway lives. Whoever
finds it held by the child of a dead supervisor waits for that orphan to end, which its lifeline tells it to do.

Nobody renames or unlinks the file without holding the lock; after `flock` the file that was opened is compared
with the one that the path names, for a dying owner may have unlinked it in between.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time

from xopc_supervisor.contract import LockInfo, is_alive

ORPHAN_SECONDS = 8
"""Longer than any graceful shutdown, which ends by force after 6 s."""
POLL_SECONDS = 0.02
MAX_BYTES = 8192


class LockHeldError(Exception):
    """A living gateway has the lock."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"held by process {pid}" if pid else "held by an unknown process")
        self.pid = pid


class Lock:
    """The lock, held until `release` or the end of all processes that inherited `fd`."""

    def __init__(self, path: str, fd: int, info: LockInfo) -> None:
        self.path = path
        self.fd = fd
        self.info = info

    def update(self, info: LockInfo) -> None:
        """Rewrite the text in place.

        Raises:
            OSError: the disk does not take it; the lock is held all the same.
        """
        self.info = info
        text = info.to_json().encode()
        os.pwrite(self.fd, text, 0)
        os.ftruncate(self.fd, len(text))

    def release(self) -> None:
        """Remove the file and give the lock up."""
        try:
            if _is_named(self.fd, self.path):
                os.unlink(self.path)
        except OSError:
            pass
        os.close(self.fd)


def acquire(path: str, info: LockInfo) -> Lock:
    """Take the lock at `path` and write `info` into it, or fail at once where a living supervisor holds it.

    Waits `ORPHAN_SECONDS` where only the child of a dead supervisor does, then kills that child.

    Raises:
        LockHeldError: a gateway with the same configuration runs.
        OSError: the file cannot be made or locked (permissions, a full or read-only disk).
    """
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    deadline = time.monotonic() + ORPHAN_SECONDS
    killed = False
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if _flock(fd) and _is_named(fd, path):
                lock = Lock(path, fd, info)
                lock.update(info)
                return lock
            owner = LockInfo.from_json(os.pread(fd, MAX_BYTES, 0).decode("utf-8", "replace"))
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        if owner is not None and owner.is_alive():
            raise LockHeldError(owner.pid)
        if time.monotonic() > deadline:
            if killed or not _kill_orphan(owner):
                raise LockHeldError(owner.child_pid if owner else None)
            killed = True
            deadline = time.monotonic() + 1
        time.sleep(POLL_SECONDS)  # noqa: TID251 - before any child runs there is nothing else to do


def _flock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def _is_named(fd: int, path: str) -> bool:
    """Whether `path` still names the open file."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _kill_orphan(owner: LockInfo | None) -> bool:
    """Kill the child that the lock's text names, if it is still that process."""
    if owner is None or owner.child_pid is None or owner.child_start_time is None:
        return False
    if not is_alive(owner.child_pid, owner.child_start_time):
        return False
    os.kill(owner.child_pid, signal.SIGKILL)
    return True
