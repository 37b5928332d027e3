"""The lock of one configuration: the kernel's `flock` on an open file, whose text only informs.

The descriptor is inherited by the child, so the lock says that *some* process of this gateway lives. Whoever
finds it held by the child of a dead supervisor waits for that orphan to end, which its lifeline tells it to do.

Nobody renames or unlinks the file without holding the lock; after `flock` the file that was opened is compared
with the one that the path names, for a dying owner may have unlinked it in between.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import stat
import time

from xopc_supervisor.contract import INHERITANCE_VARIABLE, Inheritance, LockInfo, is_alive

ORPHAN_SECONDS = 8
"""Longer than any graceful shutdown, which ends by force after 6 s."""
POLL_SECONDS = 0.02
LOCKS = "/proc/locks"


class LockHeldError(Exception):
    """A living process has the lock."""

    def __init__(self, pid: int | None, *, is_gateway: bool) -> None:
        super().__init__(f"held by process {pid}" if pid else "held by an unknown process")
        self.pid = pid
        self.is_gateway = is_gateway
        """Whether that is known to be a gateway, which stays; a restore lets go of it soon."""


class Lock:
    """The lock, held until `release` or the end of all processes that inherited `fd`."""

    def __init__(self, path: str, fd: int, info: LockInfo) -> None:
        self.path = path
        self.fd = fd
        self.info = info

    def update(self, info: LockInfo) -> None:
        """Rewrite the text in place.

        Raises:
            OSError: the disk does not take it; the lock is held all the same. The text is then empty where that can be
                had: the one before would name the wrong processes.
        """
        self.info = info
        text = info.to_json().encode()
        try:
            written = os.pwrite(self.fd, text, 0)
            os.ftruncate(self.fd, written)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self.fd, 0)
            raise
        if written < len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)

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

    Waits `ORPHAN_SECONDS` where only processes of a dead supervisor do, then kills those. A text that the disk
    does not take is left out: it only informs.

    Raises:
        LockHeldError: a gateway with the same configuration runs, or a restore is at work.
        OSError: the file cannot be made or locked, see `explain`.
    """
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    deadline = time.monotonic() + ORPHAN_SECONDS
    killed = False
    while True:
        fd = _open(path)
        try:
            if _flock(fd) and _is_named(fd, path):
                lock = Lock(path, fd, info)
                with contextlib.suppress(OSError):
                    lock.update(info)
                return lock
            file = os.fstat(fd)
            owner = read(fd)
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        # Where the disk did not take a new text, it is empty, or of an earlier gateway; the kernel knows better.
        if owner is not None and owner.is_alive():
            raise LockHeldError(owner.pid, is_gateway=True)
        holder = _who_locked(file, owner)
        if holder is not None:
            raise LockHeldError(holder, is_gateway=_is_supervisor(holder))
        if time.monotonic() > deadline:
            orphans = _orphans(owner, file)
            if killed or not orphans:
                holder = orphans[0] if orphans else next((pid for pid in _processes() if _holds(pid, file)), None)
                raise LockHeldError(holder, is_gateway=bool(orphans))
            for pid in orphans:
                os.kill(pid, signal.SIGKILL)
            killed = True
            deadline = time.monotonic() + 1
        time.sleep(POLL_SECONDS)  # noqa: TID251 - before any child runs there is nothing else to do


def read(fd: int) -> LockInfo | None:
    """The text of an open lock file."""
    return LockInfo.from_json(os.pread(fd, LockInfo.MAX_BYTES, 0).decode("utf-8", "replace"))


def explain(path: str, error: OSError) -> tuple[str, str]:
    """What keeps the lock at `path` from being taken, and what to do about it: two sentences for a person."""
    where = str(error.filename or path)
    elsewhere = "name another state directory with XOPC_STATE_DIR"
    match error.errno:
        case errno.ELOOP if os.path.islink(path):
            return f"{path} is a symbolic link, and has to be a file.", f"Remove it: rm {path}"
        case errno.EISDIR | errno.EINVAL | errno.ENXIO if os.path.lexists(path) and not os.path.isfile(path):
            return f"{path} is not a file.", "Move it away: the gateway makes its own there."
        case errno.EEXIST | errno.ENOTDIR:
            return f"{os.path.dirname(path)} is not a directory.", "Move it away: the gateway makes its own there."
        case errno.EACCES | errno.EPERM:
            what = f"Cannot take the lock {path}: this user may not write to {_nearest(where)}{_owner(where)}."
            return what, f"Start it as that user, make the directory yours, or {elsewhere}."
        case errno.EROFS:
            what = f"Cannot take the lock {path}: it is on a read-only file system."
            return what, f"Mount it writable, or {elsewhere}."
        case errno.ENOSPC | errno.EDQUOT:
            return f"Cannot take the lock {path}: the disk is full.", f"Make room, or {elsewhere}."
        case errno.ENOLCK | errno.ENOTSUP | errno.ENOSYS:
            what = f"Cannot take the lock {path}: its file system does not know locks."
            return what, f"On a local disk it works: {elsewhere}."
        case _:
            what = f"Cannot take the lock {path}: {error.strerror or error}."
            return what, f"Make {os.path.dirname(path)} writable for this user, or {elsewhere}."


def _open(path: str) -> int:
    """The lock file, made if need be.

    A link is not followed: whatever it points to would be overwritten.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is not a file", path)
    return fd


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
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except OSError:
        return False


def _who_locked(file: os.stat_result, owner: LockInfo | None) -> int | None:
    """The living supervisor that took the lock on this file, as proc(5) locks tells; None where it does not.

    Who only inherited the lock is not named there, and the child of `owner` is no supervisor.
    """
    inode = str(file.st_ino)
    known = (owner.child_pid, owner.candidate_pid) if owner is not None else ()
    try:
        with open(LOCKS, encoding="ascii") as locks:
            rows = [line.split() for line in locks]
    except (OSError, ValueError):
        return None
    for row in rows:
        # 1: FLOCK  ADVISORY  WRITE 4100 08:01:4711 0 EOF
        if len(row) > 5 and row[1] == "FLOCK" and row[5].rpartition(":")[2] == inode and row[4].isdecimal():
            pid = int(row[4])
            if pid not in known and _holds(pid, file):
                return pid
    return None


def _is_supervisor(pid: int) -> bool:
    """Whether a process was started as this package."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as command:
            return b"xopc_supervisor" in command.read().split(b"\0")
    except OSError:
        return False


def _holds(pid: int, file: os.stat_result) -> bool | None:
    """Whether a process has this file open; None where that cannot be seen."""
    directory = f"/proc/{pid}/fd"
    try:
        names = os.listdir(directory)
    except OSError:
        return None
    for name in names:
        try:
            if os.path.samestat(file, os.stat(f"{directory}/{name}")):
                return True
        except OSError:  # closed in the meantime
            continue
    return False


def _orphans(owner: LockInfo | None, file: os.stat_result) -> list[int]:
    """The processes that a dead supervisor left, and that still have the file open: those that the lock's text names,
    and what has forked from one of them.
    """
    family = owner.family() if owner is not None else []
    named = [pid for pid, started in family if is_alive(pid, started) and _holds(pid, file) is not False]
    return [*named, *(pid for pid in _processes() if pid not in named and _holds(pid, file) and _is_left(pid))]


def _is_left(pid: int) -> bool:
    """Whether a process was started by a supervisor that is dead, or has forked from such a one."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as environ:
            variables = environ.read().split(b"\0")
        name = f"{INHERITANCE_VARIABLE}=".encode()
        text = next(each for each in variables if each.startswith(name)).removeprefix(name)
        return not is_alive(Inheritance.from_json(text.decode()).supervisor_pid, None)
    except (OSError, StopIteration, ValueError, TypeError, LookupError):
        return False


def _processes() -> list[int]:
    """All that are to be seen; none where there is no /proc."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return []


def _nearest(path: str) -> str:
    """The path, or what exists of it."""
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def _owner(path: str) -> str:
    """`, which belongs to ana`, where it belongs to somebody else."""
    try:
        uid = os.lstat(_nearest(path)).st_uid
    except OSError:
        return ""
    if uid == os.geteuid():
        return ""
    try:
        import pwd  # noqa: PLC0415 - for this sentence alone

        return f", which belongs to {pwd.getpwuid(uid).pw_name}"
    except (ImportError, KeyError):
        return f", which belongs to user {uid}"
