"""Following the log: the matching lines as they are written, each with an id to come back with.

Only plain files are followed: a packed one would have to be unpacked for each mebibyte, and nobody writes to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from xopc.contracts.api.logs import LogFilter
from xopc.contracts.api.sessions import Direction
from xopc.core.logs.entry import Entry, Wanted, shown
from xopc.core.logs.files import STEP_BYTES, DayFile, log_files
from xopc.core.logs.query import Cursor
from xopc.core.logs.scan import Place, Scan


@frozen
class Followed:
    """What has been written since, as far as it was read."""

    lines: Sequence[tuple[str, Entry]]
    """The matching ones, with their ids."""
    has_more: bool
    """Whether there is more to read at once."""


class LogFollower:
    """Reads on in all files: a clock that is set back leads to an earlier one. Opens nothing between two reads."""

    def __init__(self, directory: Path, query: LogFilter) -> None:
        self._directory = directory
        self._wanted = Wanted.of(query)
        self._positions: dict[DayFile, int] = {}
        """Up to where each file was read."""
        self._last: Place | None = None

    def start(self, last_id: str | None = None) -> bool:
        """Begin behind the line with this id, or at the end; False where the id leads nowhere, and it is the end.

        Raises:
            OSError: the directory cannot be read.
        """
        files = log_files(self._directory, packed=False)
        place = None if last_id is None else _place_of(last_id, files)
        if place is None:
            self._positions = {file: _end_of(file) for file in files}
            self._last = Place(files[-1], self._positions[files[-1]]) if files else None
        else:
            self._positions = {file: _end_of(file) for file in files if file < place.file}
            self._positions[place.file] = place.position
            self._last = place
        return place is not None or last_id is None

    @property
    def id(self) -> str | None:
        """What to start with to go on from here; None before there was a file."""
        return None if self._last is None else _id_of(self._last)

    def read(self) -> Followed:
        """The matching lines of the next mebibyte. A directory that cannot be read has none."""
        try:
            files = log_files(self._directory, packed=False)
        except OSError:
            return Followed((), has_more=False)
        self._positions = {file: self._positions.get(file, 0) for file in files}
        lines: list[tuple[str, Entry]] = []
        for file in files:
            size = _size(file)
            if size < self._positions[file]:  # somebody emptied it
                self._positions[file] = 0
            if size > self._positions[file] and self._read(file, lines):
                return Followed(lines, has_more=True)
        return Followed(lines, has_more=False)

    def _read(self, file: DayFile, lines: list[tuple[str, Entry]]) -> bool:
        """Whether there is more in the file."""
        scan = Scan([file], backwards=False, start=Place(file, self._positions[file]), budget=STEP_BYTES)
        for step in scan.lines():
            if step is not None:
                line, self._last = step
                self._positions[file] = self._last.position
                entry = self._wanted.find(line.data) if line.data.strip() else None
                if entry is not None:
                    lines.append((_id_of(self._last), shown(entry)))
        return scan.has_more


def _end_of(file: DayFile) -> int:
    """Behind the last complete line."""
    lines = Scan([file], backwards=True, budget=STEP_BYTES).lines()
    return next((step[0].end for step in lines if step is not None), 0)


def _size(file: DayFile) -> int:
    try:
        return file.path.stat().st_size
    except OSError:
        return 0


def _id_of(place: Place) -> str:
    return Cursor(Direction.ASCENDING, place.file.day, place.file.is_plain, place.position).encode()


def _place_of(last_id: str, files: Sequence[DayFile]) -> Place | None:
    try:
        cursor = Cursor.decode(last_id.strip())
    except ValueError:
        return None
    if cursor.order is not Direction.ASCENDING or not cursor.is_plain:
        return None
    return next((Place(file, cursor.position) for file in files if file.day == cursor.day), None)
