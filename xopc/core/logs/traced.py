"""Lines of the log that tell of a message: those in which one of its ids stands as a value of its own."""

from __future__ import annotations

from collections.abc import Collection, Generator
from datetime import date
from pathlib import Path

from attrs import frozen

from xopc.core.logs.entry import Entry, parse, shown
from xopc.core.logs.files import log_files
from xopc.core.logs.scan import Scan

BUDGET_BYTES = 64 * 1024 * 1024
"""Of lines that are looked at for one message: some 0.2 s where few of them match."""
MAX_LINES = 500
RUN_NAMES = ("run", "runId", "run_id")
MESSAGE_NAMES = ("messageId", "message_id")
_NAMES = (*RUN_NAMES, *MESSAGE_NAMES)
_OTHER_NAMES = ("dedupeKey", "platformMessageId")
_LISTS = ("platformMessageIds", "messages")


@frozen
class Told:
    """What the log tells."""

    lines: tuple[Entry, ...]
    """The oldest first, with secrets masked."""
    is_complete: bool
    """Whether all of the days was looked through."""


def find_lines(
    directory: Path, ids: Collection[str], since: date | None = None, budget: int = BUDGET_BYTES
) -> Generator[None, None, Told]:
    """The lines that tell of one of these runs or messages, in steps (`in_steps`), the newest within so many bytes.

    `since` is the first day to look at.

    Raises:
        OSError: the directory cannot be read.
    """
    # The files are named by local dates, which are at most a day beside those of UTC.
    days = range(since.toordinal() - 1 if since else 0, date.max.toordinal() + 1)
    scan = Scan(log_files(directory), backwards=True, days=days, budget=budget)
    needles = [one.encode() for one in ids]
    found: list[Entry] = []
    for step in scan.lines():
        if step is None:
            yield
        elif any(needle in step[0].data for needle in needles):
            entry = parse(step[0].data)
            if any(one in ids for one in _named(entry)):
                found.append(shown(entry))
                if len(found) == MAX_LINES:
                    break
    return Told(tuple(reversed(found)), is_complete=not scan.has_more)


def _named(line: Entry) -> Generator[str]:
    """The ids that a line names."""
    for name in (*_NAMES, *_OTHER_NAMES):
        if isinstance(line.get(name), str):
            yield str(line[name])
    for name in _LISTS:
        if isinstance(line.get(name), list):
            yield from map(str, line[name])


def related(lines: Collection[Entry]) -> set[str]:
    """All runs and messages that lines name."""
    return {str(line[name]) for line in lines for name in _NAMES if isinstance(line.get(name), str)}
