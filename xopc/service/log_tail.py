"""Reads the gateway's log files `app-YYYY-MM-DD.log`: the last lines, and those that come."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from xopc.core.logs.files import lines_back, log_files
from xopc.service.poll import attempts

FOLLOW_SECONDS = 0.25
"""Between two looks; a new line is seen well within a second."""


def last_lines(directory: Path, count: int, *, before: Path | None = None) -> list[str]:
    """The last `count` lines, oldest first, of as many days as it takes; none where there are no files.

    With `before`, only the files of the days before that one are read.

    Raises:
        OSError: a file cannot be read.
    """
    lines: list[str] = []
    for path in reversed(_paths(directory)):
        if before is not None and path >= before:
            continue
        with suppress(FileNotFoundError), path.open("rb") as file:  # its retention may have just ended
            complete, started = _read_back(file, count - len(lines))
            lines = [*complete, *([_text(started)] if started else []), *lines][-count:]
        if len(lines) >= count:
            break
    return lines


class Follower:
    """Sees the lines that are written from now on, through midnight, truncation and removal of the file.

    Ownership: holds one descriptor, which `close` gives back.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: BinaryIO | None = None
        self._started = b""
        """The beginning of a line whose end has not come yet."""

    def start(self, count: int) -> list[str]:
        """The last `count` lines of what is there; what comes after them is for `read`."""
        files = _paths(self._directory)
        self._open(files[-1] if files else None)
        if self._file is None:
            return []
        lines, self._started = _read_back(self._file, count)
        if len(lines) < count:
            lines = [*last_lines(self._directory, count - len(lines), before=files[-1]), *lines]
        return lines

    def close(self) -> None:
        """Let go of the file."""
        self._open(None)

    def lines(self) -> Iterator[list[str]]:
        """The new lines, as soon as there are some, without end."""
        for _ in attempts(math.inf, first=FOLLOW_SECONDS, longest=FOLLOW_SECONDS):
            lines = self.read()
            if lines:
                yield lines

    def read(self) -> list[str]:
        """The lines that have come since the last call; none if nothing has."""
        lines: list[str] = []
        while True:
            # The newest file is found before the current one is read: what was written to that is all read then.
            following = self._following()
            lines += self._rest()
            if following is None:
                return lines
            if self._started:
                lines.append(_text(self._started))
            self._open(following)

    def _following(self) -> Path | None:
        """The file to go on with, when the current one is complete or gone."""
        files = _paths(self._directory)
        if self._file is None:
            return files[0] if files else None
        current = Path(self._file.name)
        later = [path for path in files if path.name > current.name]
        if later:
            return later[0]
        try:
            return None if os.path.samestat(current.stat(), os.fstat(self._file.fileno())) else current
        except FileNotFoundError:
            return None

    def _open(self, path: Path | None) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._started = None, b""
        if path is not None:
            with suppress(FileNotFoundError):
                self._file = path.open("rb")

    def _rest(self) -> list[str]:
        """The complete lines up to the end of the current file."""
        if self._file is None:
            return []
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            self._file.seek(0)
            self._started = b""
        *complete, self._started = (self._started + self._file.read()).split(b"\n")
        return [_text(line) for line in complete]


def _read_back(file: BinaryIO, count: int) -> tuple[list[str], bytes]:
    """The last `count` complete lines, and what stands behind them; leaves the file where that ends."""
    end = file.seek(0, os.SEEK_END)
    lines: list[str] = []
    started = b""
    for line in lines_back(file, end):
        if line.end == end and not line.is_complete:
            started = line.data
        elif len(lines) < count:
            lines.append(_text(line.data))
        else:
            break
    file.seek(end)
    return lines[::-1], started


def _paths(directory: Path) -> list[Path]:
    """The log files, oldest first."""
    return [file.path for file in log_files(directory, packed=False)]


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")
