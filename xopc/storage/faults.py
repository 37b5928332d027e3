"""What keeps the disk from taking or giving what it should, in a sentence, and whether that is over."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from time import monotonic
from typing import TypeAlias

from xopc.contracts.errors import Failure, XopcError

OnFault: TypeAlias = Callable[[str | None], None]
"""Takes what is wrong, in a sentence, and None when it is over."""

PROBE_SECONDS = 1.0
"""From a failure to the next look whether the disk works again."""
ROOM_BYTES = 1024 * 1024
"""Free, before a full disk counts as mended: what is next to nothing takes a small message and refuses the next."""


class Obstacle(Enum):
    """What lies in the way, and not in the transaction that met it."""

    FULL = "full"
    BROKEN = "broken"
    READ_ONLY = "read-only"
    MISSING = "missing"
    """The file is not where it was."""
    HELD = "held"
    """Somebody else has it: another gateway, or a program that writes to it."""
    OUT_OF_REACH = "out of reach"
    """Permissions, a directory in its place, no memory."""
    DAMAGED = "damaged"
    """The content; no retry mends it."""


class StorageUnavailableError(XopcError):
    """The storage cannot be opened for now, and can once what lies in the way is gone: to be tried again for ever."""

    def __init__(self, obstacle: Obstacle, message: str) -> None:
        super().__init__(Failure.CONFLICT if obstacle is Obstacle.HELD else Failure.UNAVAILABLE, message)
        self.obstacle = obstacle


class DisplacedError(OSError):
    """The database's file has no longer its name."""


_BY_CODE = {
    sqlite3.SQLITE_FULL: Obstacle.FULL,
    sqlite3.SQLITE_IOERR: Obstacle.BROKEN,
    sqlite3.SQLITE_READONLY: Obstacle.READ_ONLY,
    sqlite3.SQLITE_BUSY: Obstacle.HELD,
    sqlite3.SQLITE_LOCKED: Obstacle.HELD,
    sqlite3.SQLITE_CANTOPEN: Obstacle.OUT_OF_REACH,
    sqlite3.SQLITE_NOMEM: Obstacle.OUT_OF_REACH,
    sqlite3.SQLITE_PERM: Obstacle.OUT_OF_REACH,
    sqlite3.SQLITE_PROTOCOL: Obstacle.OUT_OF_REACH,
    sqlite3.SQLITE_CORRUPT: Obstacle.DAMAGED,
    sqlite3.SQLITE_NOTADB: Obstacle.DAMAGED,
}
_BY_NUMBER = {
    errno.ENOSPC: Obstacle.FULL,
    errno.EDQUOT: Obstacle.FULL,
    errno.EIO: Obstacle.BROKEN,
    errno.EFBIG: Obstacle.BROKEN,
    errno.EROFS: Obstacle.READ_ONLY,
}
_IN_USE = {
    Obstacle.FULL: "The disk of {path} is full: free some room; the gateway goes on by itself.",
    Obstacle.BROKEN: "The disk of {path} fails ({what}): see what the system's log says; once it works again, the "
    "gateway goes on by itself.",
    Obstacle.READ_ONLY: "{path} cannot be written to ({what}): see whether its disk became read-only; once it can be "
    "written to, the gateway goes on by itself.",
    Obstacle.MISSING: "{path} was moved, removed or replaced while it was in use: put that very file back, and the "
    "gateway goes on by itself; or stop and start the gateway to use what is there now.",
    Obstacle.HELD: "Another program holds {path} ({what}): end it; the gateway goes on by itself.",
    Obstacle.OUT_OF_REACH: "{path} cannot be used ({what}): see whether memory, permissions or files are missing; the "
    "gateway goes on by itself.",
    Obstacle.DAMAGED: "{path} is damaged ({what}): stop the gateway, and restore a backup of it.",
}


def obstacle_of(error: BaseException, path: Path) -> Obstacle | None:
    """What an error on the database at `path` means; None where it lies in what was asked of it."""
    if isinstance(error, DisplacedError):
        return Obstacle.MISSING
    if isinstance(error, OSError):
        return _BY_NUMBER.get(error.errno or 0, Obstacle.OUT_OF_REACH)
    if not isinstance(error, sqlite3.Error):
        return None
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # without the extended part
    found = _BY_CODE.get(code)
    return _seen_on(path) or found if found in (Obstacle.BROKEN, Obstacle.OUT_OF_REACH) else found


def _seen_on(path: Path) -> Obstacle | None:
    """What the file system itself says: sqlite calls it an I/O error when its shared memory does not fit any more."""
    try:
        if not path.exists():
            return Obstacle.MISSING
        disk = _disk_of(path)
    except OSError:
        return None
    if disk.f_flag & os.ST_RDONLY:
        return Obstacle.READ_ONLY
    return Obstacle.FULL if disk.f_blocks and not disk.f_bavail else None


class FaultWatch:
    """Knows whether the database at `path` has a fault. For one thread alone."""

    def __init__(self, path: Path, tell: OnFault) -> None:
        """`tell` hears of each change."""
        self._path = path
        self._tell = tell
        self._obstacle: Obstacle | None = None
        self._sentence: str | None = None
        self._due = 0.0
        """Of the next look; monotonic clock."""

    @property
    def seconds_left(self) -> float | None:
        """Until the next look is due; None where none is."""
        return None if self._sentence is None else max(self._due - monotonic(), 0.0)

    def strike(self, error: BaseException) -> None:
        """Something failed. What damage was seen stays seen: nothing that is tried can tell that it is mended."""
        obstacle = obstacle_of(error, self._path)
        if obstacle is None:
            return
        self._due = monotonic() + PROBE_SECONDS
        if self._obstacle is not Obstacle.DAMAGED:
            self._obstacle = obstacle
            self._become(_IN_USE[obstacle].format(path=self._path, what=error))

    def look(self, probe: Callable[[], None]) -> None:
        """Find out with `probe`, which writes and raises, whether the fault is over."""
        try:
            probe()
        except (sqlite3.Error, OSError) as error:
            self.strike(error)
            return
        self._due = monotonic() + PROBE_SECONDS
        is_tight = self._obstacle is Obstacle.FULL and not _has_room(self._path)
        if not is_tight and self._obstacle is not Obstacle.DAMAGED:
            self._obstacle = None
            self._become(None)

    def _become(self, sentence: str | None) -> None:
        if sentence != self._sentence:
            self._sentence = sentence
            self._tell(sentence)


class Whereabouts:
    """Where the files of a database are: what is written to one without a name is lost with the process.

    sqlite itself looks for that in other journal modes than WAL alone.
    """

    def __init__(self, path: Path) -> None:
        """The files are there, the write-ahead log included."""
        real = os.path.realpath(path)
        self._names = (real, f"{real}-wal")
        self._path = path
        self._found = self._look()

    def check(self) -> None:
        """Look whether each has its name still.

        Raises:
            DisplacedError: one has not.
        """
        if self._look() != self._found:
            raise DisplacedError(f"{self._path} is not the file that it was")

    def _look(self) -> list[tuple[int, int] | None]:
        return [_identity(name) for name in self._names]


def _identity(name: str) -> tuple[int, int] | None:
    try:
        stat = os.stat(name)  # noqa: PTH116  four times as fast, and done for each commit
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino


def _has_room(path: Path) -> bool:
    try:
        disk = _disk_of(path)
    except OSError:
        return False
    return not disk.f_blocks or disk.f_bavail * disk.f_frsize >= ROOM_BYTES


def _disk_of(path: Path) -> os.statvfs_result:
    return os.statvfs(Path(os.path.realpath(path)).parent)
