"""The files that the log is written to, one a day, and the lines in them: forwards, backwards, packed or not.

Lines are bytes with their positions. Nobody renames or truncates a file that is written to, so a position in one stays
where it is; in a packed file it counts what was packed, and so outlives the packing.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import zlib
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import IO

from attrs import frozen

BLOCK_BYTES = 64 * 1024
STEP_BYTES = 1024 * 1024
"""So much is read between two looks at whether anybody still wants it."""
MAX_LINE_BYTES = 1024 * 1024
"""What is longer, no line of ours, is taken in pieces."""
MAX_UNPACKED_BYTES = 256 * 1024 * 1024
"""Of a packed file, which may be a bomb: it is read as if it ended there."""

_NAME = re.compile(r"app-(\d{4}-\d{2}-\d{2})\.log(\.gz)?")


@frozen(order=True)
class DayFile:
    """One file. In the order of their lines: what is packed of a day was written before what is not."""

    day: date
    """Of the lines in it, in the time zone of whoever wrote them."""
    is_plain: bool
    path: Path


@frozen
class Line:
    """A line, without its newline."""

    start: int
    end: int
    """Where the next one begins."""
    data: bytes

    @property
    def is_complete(self) -> bool:
        """Whether its newline has been written."""
        return self.end > self.start + len(self.data)


def log_files(directory: Path, *, packed: bool = True) -> list[DayFile]:
    """The log files, oldest first; none where there is no directory.

    Raises:
        OSError: the directory cannot be read.
    """
    files: list[DayFile] = []
    with suppress(FileNotFoundError, NotADirectoryError):
        for path in directory.iterdir():
            match = _NAME.fullmatch(path.name)
            # A pipe by such a name would never be opened.
            if match and (packed or not match[2]) and path.is_file():
                with suppress(ValueError):  # a date such as 2026-02-31
                    files.append(DayFile(date.fromisoformat(match[1]), not match[2], path))
    return sorted(files)


def open_back(file: DayFile, end: int | None, most: int) -> Generator[None, None, Part]:
    """What a file holds up to `end`, or to its own end, to be read backwards; yields between the steps of a long work.

    A packed file has to be read from its beginning; so as not to keep all of it, only the last `most` bytes of that
    part are there then.

    Ownership: the caller closes the part's data.

    Raises:
        OSError: the file cannot be opened; it may just have gone.
    """
    if not file.is_plain:
        return (yield from _unpack(file.path, None, end, most))
    data = file.path.open("rb")
    size = data.seek(0, os.SEEK_END)
    return Part(data, 0, 0, size if end is None else min(end, size))


def open_forth(file: DayFile, start: int, most: int) -> Generator[None, None, Part]:
    """As `open_back`, what a file holds from `start` on; of a packed one, the first `most` bytes of that part."""
    if not file.is_plain:
        return (yield from _unpack(file.path, start, None, most))
    data = file.path.open("rb")
    size = data.seek(0, os.SEEK_END)
    return Part(data, 0, start if start <= size else 0, size)  # it begins anew where somebody emptied it


@frozen
class Part:
    """A part of a file's lines, to be read while its data is open."""

    data: IO[bytes]
    offset: int
    """Of the data's first byte in the file."""
    start: int
    end: int
    is_cut: bool = False
    """Whether the lines that come last are not there, in the direction that it was opened for."""

    def backwards(self) -> Iterator[Line]:
        """Its lines, the last first."""
        for line in lines_back(self.data, self.end, self.start, self.offset):
            if self.is_cut and line.start == self.start:
                return
            yield line

    def forwards(self) -> Iterator[Line]:
        """Its lines, the first first, the last perhaps incomplete."""
        for line in lines_forth(self.data, self.start, self.end, self.offset):
            if self.is_cut and not line.is_complete and line.end == self.end:
                return
            yield line


def lines_forth(data: IO[bytes], start: int, end: int, offset: int = 0) -> Iterator[Line]:
    """The lines from `start` up to `end`, the last perhaps incomplete; `offset` is that of the data's first byte."""
    position, rest = start, b""
    data.seek(max(0, position - offset))
    while position < end and (block := data.read(min(BLOCK_BYTES, end - position))):
        first = position - len(rest)
        position += len(block)
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield Line(first, first + len(line) + 1, line)
            first += len(line) + 1
        if len(rest) >= MAX_LINE_BYTES:
            yield Line(first, position, rest)
            rest = b""
    if rest:
        yield Line(position - len(rest), position, rest)


def lines_back(data: IO[bytes], end: int, start: int = 0, offset: int = 0) -> Iterator[Line]:
    """The lines before `end`, the last one first, perhaps incomplete; `offset` is that of the data's first byte."""
    position, rest, newline = end, b"", 0
    while position > start:
        size = min(BLOCK_BYTES, position - start)
        position -= size
        data.seek(position - offset)
        head, *lines = (data.read(size) + rest).split(b"\n")
        last = position + len(head) + sum(map(len, lines)) + len(lines)
        for line in reversed(lines):
            if line or newline:
                yield Line(last - len(line), last + newline, line)
            last -= len(line) + 1
            newline = 1
        rest = head
        if len(rest) >= MAX_LINE_BYTES:
            yield Line(position, position + len(rest) + newline, rest)
            rest, newline = b"", 0
    if rest or newline:
        yield Line(start, start + len(rest) + newline, rest)


def _unpack(path: Path, start: int | None, end: int | None, most: int) -> Generator[None, None, Part]:
    limit = MAX_UNPACKED_BYTES if end is None else min(end, MAX_UNPACKED_BYTES)
    kept: deque[bytes] = deque()
    position = size = 0
    with path.open("rb") as raw, suppress(OSError, EOFError, zlib.error):  # what is broken ends where it breaks
        file = gzip.GzipFile(fileobj=raw)
        # `read1` gives what there is before it finds out that what follows is broken.
        while position < limit and (block := file.read1(min(BLOCK_BYTES, limit - position))):
            if position // STEP_BYTES < (position + len(block)) // STEP_BYTES:
                yield
            position += len(block)
            if start is not None and position <= start:
                continue
            kept.append(block)
            size += len(block)
            if start is not None and position - start >= most:
                break
            while start is None and size - len(kept[0]) >= most:
                size -= len(kept.popleft())
    offset = position - size
    if start is None:
        return Part(io.BytesIO(b"".join(kept)), offset, offset, position, is_cut=offset > 0)
    return Part(io.BytesIO(b"".join(kept)), offset, max(start, offset), position, is_cut=position - start >= most)
