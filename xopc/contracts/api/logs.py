"""The bodies of `/api/logs`. Times are ISO 8601, UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import attrs
from attrs import field, frozen
from attrs.validators import and_, ge, le, max_len, optional

from xopc.contracts.api.sessions import Direction
from xopc.contracts.convert import LIMITS, spelled

MAX_LINES = 1000
"""Of one page."""
MAX_MINUTES = 7 * 24 * 60
"""Of a level that goes back by itself."""

_MAX_CHARS = 256
_OFFSET_AFTER_SPACE = re.compile(r"(T.*) (\d\d:?\d\d)$")


class LogLevel(Enum):
    """How much a line matters, the least first."""

    TRACE = "trace"
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"
    FATAL = "fatal"


def instant(text: str) -> datetime:
    """The moment that an ISO 8601 text names; without an offset it is UTC.

    A space before the offset is the `+` that a form makes of one.

    Raises:
        ValueError: it names none.
    """
    try:
        moment = datetime.fromisoformat(_OFFSET_AFTER_SPACE.sub(r"\1+\2", text.strip()))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a time in ISO 8601, such as 2026-11-20T10:00:00Z") from None


def _is_instant(_: object, __: attrs.Attribute[str | None], text: str | None) -> None:
    if text is not None:
        instant(text)


def _moment(key: str) -> str | None:
    # The schema names the form that tools know how to make; what else ISO 8601 allows is taken all the same.
    return field(default=None, validator=_is_instant, metadata={**spelled(key), LIMITS: {"format": "date-time"}})


def _word() -> str | None:
    return field(default=None, validator=optional(max_len(_MAX_CHARS)))


@frozen
class LogFilter:
    """Which lines somebody wants."""

    level: tuple[LogLevel, ...] = ()
    """Exactly these levels. Default: all."""
    since: str | None = _moment("from")
    """ISO 8601, in UTC unless it has an offset; the moment itself is included. `until`, too."""
    until: str | None = _moment("to")
    q: str | None = _word()
    """A text somewhere in the line's values, in any case."""
    module: str | None = _word()
    """A module, with those below it: `xopc.channels` has `xopc.channels.telegram`."""
    extension: str | None = _word()
    request_id: str | None = _word()
    session_id: str | None = _word()


@frozen
class LogQuery(LogFilter):
    """The query of `GET /api/logs`."""

    order: Direction = Direction.DESCENDING
    """By when they were written."""
    limit: int = field(default=100, validator=and_(ge(1), le(MAX_LINES)))
    offset: int = field(default=0, validator=ge(0))
    """How many matching lines to leave out. Not together with `cursor`."""
    cursor: str | None = field(default=None, validator=optional(max_len(_MAX_CHARS)))
    """`nextCursor` of the page before."""


@frozen
class LogStreamQuery(LogFilter):
    """The query of `GET /api/logs/stream`."""

    last_event_id: str | None = _word()
    """As the header `Last-Event-ID`, for clients that can set none."""


@frozen
class LogPage:
    """Lines of the log, and how to go on."""

    logs: tuple[dict[str, Any], ...]
    """`{timestamp, level, message, module?, …fields}`; the timestamp of what is no log line is null."""
    count: int
    """Of the lines in this page."""
    total: int | None
    """Of all lines that match; null where nobody counted to the end."""
    has_more: bool
    next_cursor: str | None


@frozen
class LogFileInfo:
    """One file of the log."""

    name: str
    size: int
    """Bytes on the disk."""
    date: str
    """The day of its lines, in the gateway's time zone."""


@frozen
class LogFiles:
    """The files of the log, the newest first."""

    files: tuple[LogFileInfo, ...]


@frozen
class LogStats:
    """What the newest lines of the log are."""

    files: int
    bytes: int
    """Of all files, on the disk."""
    lines: int
    """How many were counted."""
    complete: bool
    """Whether these are all that there are."""
    since: str | None
    """The timestamp of the oldest line that was counted."""
    by_level: dict[str, int]
    by_module: dict[str, int]
    """The most frequent ones first."""
    errors24h: int
    """Lines of level error or fatal in the last 24 hours."""


@frozen
class LogLevels:
    """The levels that there are, the least first."""

    levels: tuple[LogLevel, ...]


@frozen
class LogModules:
    """The modules that the newest lines of the log come from, by name."""

    modules: tuple[str, ...]
    complete: bool
    """Whether all lines were looked at."""


@frozen
class LogDirectory:
    """Where the files of the log are, on the gateway's machine."""

    dir: str


@frozen
class LogLevelState:
    """From which level on lines are written."""

    level: LogLevel
    configured: LogLevel
    """As the process was started with, and goes back to."""
    until: str | None
    """When it goes back; null: at the end of the process, or it is the configured one."""


@frozen
class LogLevelChange:
    """`POST /api/logs/level`."""

    level: LogLevel
    duration: int | None = field(default=None, validator=optional(and_(ge(1), le(MAX_MINUTES))))
    """Minutes. Default: until the process ends."""


@frozen
class LogLine:
    """`log`: a line with its fields, as in a page of `GET /api/logs`."""

    timestamp: str | None
    level: LogLevel
    message: str
