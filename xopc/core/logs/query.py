"""Pages of the log: the lines that match a query, and a cursor that goes on behind them.

A cursor is a place in a file. Lines are only ever appended, so whatever is written between two pages, none of them
comes twice and none is missed.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Generator, Sequence
from datetime import date
from pathlib import Path

from attrs import frozen

from xopc.contracts.api.logs import LogPage, LogQuery
from xopc.contracts.api.sessions import Direction
from xopc.contracts.errors import InvalidValueError, Problem
from xopc.core.logs.entry import Entry, Wanted, shown
from xopc.core.logs.files import DayFile, log_files
from xopc.core.logs.scan import BUDGET_BYTES, Place, Scan

MAX_PAGE_BYTES = 4 * 1024 * 1024
"""Of lines, as they stand in the file: a page ends with the line that comes to it."""

MASKING_BYTES = 2 * 1024
"""To mask the secrets of a line, which a search for a text does, takes as long as to look at so many bytes."""

_CURSOR = re.compile(r"(asc|desc) (\d{4}-\d{2}-\d{2}) (log|gz) (\d{1,18}) (\d{1,18})")


@frozen
class Cursor:
    """Where the next page begins."""

    order: Direction
    day: date
    is_plain: bool
    position: int
    skip: int = 0
    """How many matching lines are still to be left out."""

    def encode(self) -> str:
        """As it travels."""
        kind = "log" if self.is_plain else "gz"
        text = f"{self.order.value} {self.day.isoformat()} {kind} {self.position} {self.skip}"
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """What `encode` made.

        Raises:
            ValueError: it did not.
        """
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
        match = _CURSOR.fullmatch(raw)
        if match is None:
            raise ValueError("not a cursor")
        order, day, kind, position, skip = match.groups()
        return cls(Direction(order), date.fromisoformat(day), kind == "log", int(position), int(skip))


def search(directory: Path, query: LogQuery, budget: int = BUDGET_BYTES) -> Generator[None, None, LogPage]:
    """The page that a query asks for, in steps (`in_steps`), found within so many bytes of the log.

    Raises:
        InvalidValueError: the cursor is none of this query.
        OSError: the directory cannot be read.
    """
    cursor = _cursor_of(query)
    wanted = Wanted.of(query)
    files = log_files(directory)
    start = None if cursor is None else _place_of(cursor, files)
    # The files are named by local dates, which are at most a day beside those of UTC.
    since = wanted.since.toordinal() - 1 if wanted.since else 0
    until = wanted.until.toordinal() + 1 if wanted.until else date.max.toordinal()
    days, backwards = range(since, until + 1), query.order is Direction.DESCENDING
    scan = Scan(files, backwards=backwards, days=days, start=start, budget=budget)
    page = _Collector(wanted, query.limit, cursor.skip if cursor else query.offset, counts=cursor is None)
    for step in scan.lines():
        if step is None:
            yield
        elif not page.take(step[0].data, step[1]):
            break
        elif page.has_masked:
            scan.spend(MASKING_BYTES)
    return _page(page, scan, query.order)


class _Collector:
    """Takes lines until there are enough."""

    def __init__(self, wanted: Wanted, limit: int, skip: int, *, counts: bool) -> None:
        """With `counts`, lines are never enough: those that match are counted to the end."""
        self.entries: list[Entry] = []
        self.matched = 0
        self.skip = skip
        self.behind: Place | None = None
        """Where to go on."""
        self.has_more = False
        """Whether a line beyond the page was found."""
        self.counts = counts
        self.has_masked = False
        """Whether the last line was masked."""
        self._wanted = wanted
        self._limit = limit
        self._bytes = 0

    def take(self, data: bytes, behind: Place) -> bool:
        """Look at the next line; False where no other has to follow."""
        if self.has_more and self._wanted.is_everything:  # whatever it is, it counts
            self.matched += not data.isspace() and data != b""
            return self.counts
        entry = self._wanted.find(data) if data.strip() else None
        self.has_masked = bool(entry and self._wanted.text)
        if entry is not None:
            self.matched += 1
            if self.skip:
                self.skip -= 1
            elif len(self.entries) < self._limit and self._bytes < MAX_PAGE_BYTES:
                self.entries.append(shown(entry))
                self._bytes += len(data)
            else:
                self.has_more = True
        if not self.has_more:
            self.behind = behind
        return self.counts or not self.has_more


def _page(page: _Collector, scan: Scan, order: Direction) -> LogPage:
    is_at_end = not scan.has_more
    has_more = page.has_more or not is_at_end
    behind, cursor = page.behind, None
    if has_more and behind is not None:
        cursor = Cursor(order, behind.file.day, behind.file.is_plain, behind.position, page.skip).encode()
    return LogPage(
        logs=tuple(page.entries),
        count=len(page.entries),
        total=page.matched if page.counts and is_at_end else None,
        has_more=has_more,
        next_cursor=cursor,
    )


def _cursor_of(query: LogQuery) -> Cursor | None:
    if query.cursor is None:
        return None
    try:
        cursor = Cursor.decode(query.cursor)
    except ValueError:
        raise InvalidValueError(Problem("?cursor", "is none: it is nextCursor of the page before")) from None
    if cursor.order is not query.order:
        raise InvalidValueError(Problem("?cursor", f"is of a list in the order {cursor.order.value}"))
    if query.offset:
        raise InvalidValueError(Problem("?offset", "does not go with a cursor, which has its own place"))
    return cursor


def _place_of(cursor: Cursor, files: Sequence[DayFile]) -> Place:
    """The place in the file as it is now: it may have been packed since, or be gone."""
    of_day = [file for file in files if file.day == cursor.day]
    named = next((file for file in of_day if file.is_plain == cursor.is_plain), of_day[0] if of_day else None)
    return Place(named or DayFile(cursor.day, cursor.is_plain, Path()), cursor.position)
