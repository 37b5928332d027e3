"""The files that log lines are appended to, one a day.

Several processes append to one file (the supervisor, an old and a new gateway), so a line is one `write` to a
descriptor opened with O_APPEND, and nobody renames or truncates. A full or broken disk costs lines, never the caller.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path

from xopc.core.logs.files import log_files
from xopc.core.redact import Plain
from xopc.gateway.log.line import encode

LOOK_BYTES = 1024 * 1024
"""Written between two looks at the size of all files."""
LONGEST_SILENCE = timedelta(days=3)
"""From one line to the next, in a process that runs: a longer one was not lived through."""


class LogFile:
    """Appends to `<directory>/app-YYYY-MM-DD.log`, the date being local, and removes files past their retention, and
    the oldest of those that together are too large. Today's file does not grow beyond that either.

    Ownership: holds one descriptor; `close` gives it back.
    """

    def __init__(self, directory: Path, retention_days: int, most_bytes: int) -> None:
        """Open nothing yet. Files of the last `retention_days` dates are kept, today's counted, as far as all of them
        together have no more than `most_bytes`, or little more: several processes write."""
        self.directory = directory
        self._retention_days = retention_days
        self._most_bytes = most_bytes
        self._unseen_bytes = 0
        """Written since the last look at the size of all files."""
        self._date: date | None = None
        self._fd = -1
        self._identity = (0, 0)
        self._torn = False
        self.lost = 0
        """Lines that could not be written since one could."""

    def write(self, now: datetime, line: Mapping[str, Plain], *, counts: bool = True) -> OSError | None:
        """Append `line`, with a field `lost` where lines before it could not be written.

        Returns the error that made it another lost one, unless it does not count.
        """
        today = now.astimezone().date()
        try:
            if today != self._date:
                before = self._date
                self.close()
                self._open(today)
                # A clock that was set by years would expire all there is. A leap is left to the day after it.
                if before is None or timedelta() < today - before <= LONGEST_SILENCE:
                    self._remove_expired(today)
            elif self._is_gone(today):
                self.close()
                self._open(today)
            elif self._unseen_bytes >= min(LOOK_BYTES, self._most_bytes):
                self._make_room()
            lost = self.lost
            self._append(encode({**line, "lost": lost} if lost else line))
        except OSError as error:
            self.lost += counts
            return error
        self.lost -= lost  # not 0: a thread that gave up waiting may have counted its own meanwhile
        return None

    def close(self) -> None:
        """Give the descriptor back. A later `write` opens the file again."""
        fd, self._fd, self._date = self._fd, -1, None
        if fd >= 0:
            with suppress(OSError):  # what a network file system did not take in time
                os.close(fd)

    def _open(self, today: date) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A pipe that nobody reads is refused then, and not waited for.
        self._fd = os.open(self._path(today), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o600)
        stat = os.fstat(self._fd)
        self._identity = (stat.st_dev, stat.st_ino)
        self._date = today
        self._torn = False
        self._make_room()

    def _is_gone(self, today: date) -> bool:
        """Whether the name no longer leads to the open file: somebody removed it, or moved it away."""
        try:
            stat = self._path(today).stat()
        except FileNotFoundError:
            return True
        return (stat.st_dev, stat.st_ino) != self._identity

    def _append(self, data: bytes) -> None:
        if os.fstat(self._fd).st_size >= self._most_bytes:
            raise OSError("today's file has reached XOPC_LOG_MAX_MB")
        if self._torn:
            data = b"\n" + data
        written = os.write(self._fd, data)
        self._unseen_bytes += written
        self._torn = written < len(data)
        if self._torn:
            raise OSError(f"{written} of {len(data)} bytes written")

    def _remove_expired(self, today: date) -> None:
        oldest = today - timedelta(days=self._retention_days - 1)
        with suppress(OSError):  # a directory that may be written but not read
            for file in log_files(self.directory):
                if file.day < oldest:
                    with suppress(OSError):  # somebody else's
                        file.path.unlink()

    def _make_room(self) -> None:
        """Remove the oldest files while all of them are too large, but never the one that is open."""
        self._unseen_bytes = 0
        with suppress(OSError):
            others = [
                file.path for file in log_files(self.directory) if file.path != self._path(self._date or date.max)
            ]
            sizes = [path.stat().st_size for path in others]
            left = os.fstat(self._fd).st_size + sum(sizes)
            for path, size in zip(others, sizes, strict=True):
                if left <= self._most_bytes:
                    return
                with suppress(OSError):  # somebody else's
                    path.unlink()
                    left -= size

    def _path(self, day: date) -> Path:
        return self.directory / f"app-{day.isoformat()}.log"
