"""A line of the log as it is shown, and which lines somebody asked for. Pure.

To parse a line takes longer than to read it, so a line is first looked at as bytes: most of those that do not match
are out then. Only what is shown is matched: a secret that is masked cannot be found by its text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias, cast

from attrs import frozen

from xopc.contracts.api.logs import LogFilter, LogLevel, instant
from xopc.contracts.convert import JsonObject
from xopc.core.logs.level import LEVELS
from xopc.core.redact import Plain, redact_value

Entry: TypeAlias = JsonObject
"""`{timestamp, level, message, module?, …fields}`, as it stands in the file."""

MAX_DEPTH = 32
"""Of what a line holds; a deeper one counts as no log line."""
MAX_MESSAGE_CHARS = 64 * 1024
"""Of what is no log line."""

_NAMES: Mapping[str, tuple[str, ...]] = {
    "extension": ("extension", "extensionId", "extension_id"),
    "request": ("requestId", "request_id", "run", "runId", "run_id"),
    "session": ("sessionId", "session_id", "session", "sessionKey", "session_key"),
}
"""What the same thing is called in lines."""


def parse(data: bytes) -> Entry:
    """The line as a value; what is no log line is the message of one, of level info and of no time."""
    text = data.decode("utf-8", "replace")
    try:
        value: object = _DECODER.decode(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or _is_deep(cast("JsonObject", value)):
        return {"timestamp": None, "level": LogLevel.INFO.value, "message": text[:MAX_MESSAGE_CHARS]}
    fields = cast("JsonObject", value)
    timestamp, level, message = fields.get("timestamp"), fields.get("level"), fields.get("message", "")
    return {
        **fields,
        "timestamp": timestamp if isinstance(timestamp, str) else None,
        "level": level if level in LEVELS else LogLevel.INFO.value,
        "message": message if isinstance(message, str) else json.dumps(message),
    }


def shown(entry: Entry) -> Entry:
    """The entry with its secrets masked, should they not have been when it was written; its own keys come first."""
    own = {name: entry[name] for name in ("timestamp", "level", "message", "module") if name in entry}
    return cast("Entry", redact_value({**own, **entry}))


def moment_of(entry: Entry) -> datetime | None:
    """When the line was written; None where it does not say."""
    try:
        moment = datetime.fromisoformat(entry["timestamp"] or "")
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        return None


@frozen
class Wanted:
    """Which lines somebody asked for."""

    levels: frozenset[str]
    since: datetime | None
    until: datetime | None
    text: str
    """In lower case."""
    module: str | None
    ids: tuple[tuple[tuple[str, ...], str], ...]
    """The fields one of which has a value."""
    level_marks: tuple[bytes, ...]
    """One of them is in each line that matches."""
    needles: tuple[bytes, ...]
    """In lower case: all of them are in each plain line that matches."""

    @classmethod
    def of(cls, query: LogFilter) -> Wanted:
        """Those of a query."""
        given = {"extension": query.extension, "request": query.request_id, "session": query.session_id}
        ids = tuple((_NAMES[name], value) for name, value in given.items() if value is not None)
        texts = [query.q, query.module, *(value for _, value in ids)]
        levels = frozenset(level.value for level in query.level)
        # What is no log line is of level info.
        marks = () if LogLevel.INFO.value in levels else tuple(f'"{level}"'.encode() for level in levels)
        return cls(
            levels=levels,
            since=None if query.since is None else instant(query.since),
            until=None if query.until is None else instant(query.until),
            text=(query.q or "").lower(),
            module=query.module,
            ids=ids,
            level_marks=marks,
            needles=tuple(text.lower().encode() for text in texts if text),
        )

    @property
    def is_everything(self) -> bool:
        """Whether all lines match."""
        return not (self.levels or self.since or self.until or self.needles)

    def find(self, data: bytes) -> Entry | None:
        """The entry of a line, as it stands in the file, that matches; None of another."""
        if not self._may_match(data):
            return None
        entry = parse(data)
        return entry if self._matches(entry) else None

    def _may_match(self, data: bytes) -> bool:
        if self.level_marks and not any(mark in data for mark in self.level_marks):
            return False
        # What a line escapes, and letters whose lower case is another one's, are left to the value.
        if not self.needles or b"\\" in data or not data.isascii():
            return True
        lower = data.lower()
        return all(needle in lower for needle in self.needles)

    def _matches(self, entry: Entry) -> bool:
        if self.levels and entry["level"] not in self.levels:
            return False
        if (self.since or self.until) and not self._is_in_time(entry):
            return False
        if self.module is not None and not _is_below(entry.get("module"), self.module):
            return False
        if not all(any(_says(entry.get(name), value) for name in names) for names, value in self.ids):
            return False
        return not self.text or any(self.text in text for text in _texts(shown(entry)))

    def _is_in_time(self, entry: Entry) -> bool:
        at = moment_of(entry)
        return at is not None and (self.since is None or at >= self.since) and (self.until is None or at <= self.until)


def _is_below(module: object, wanted: str) -> bool:
    return isinstance(module, str) and (module == wanted or module.startswith(f"{wanted}."))


def _says(value: object, wanted: str) -> bool:
    return isinstance(value, str | int) and str(value) == wanted


def _texts(value: Plain) -> Iterator[str]:
    """All values inside, as texts in lower case."""
    if isinstance(value, Mapping):
        for member in cast("Mapping[str, Plain]", value).values():
            yield from _texts(member)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from _texts(item)
    else:
        yield (value if isinstance(value, str) else json.dumps(value)).lower()


def _is_deep(value: object, depth: int = 0) -> bool:
    if depth > MAX_DEPTH:
        return True
    if isinstance(value, dict):
        return any(_is_deep(member, depth + 1) for member in cast("JsonObject", value).values())
    return isinstance(value, list) and any(_is_deep(item, depth + 1) for item in cast("list[object]", value))


def _finite(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=str)
