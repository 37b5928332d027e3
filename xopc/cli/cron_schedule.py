"""Schedules as people write and read them: `every 10m`, `in 2h`, `at 2026-12-24T18:00`, or a cron expression."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from xopc.cli.output import duration
from xopc.client.http import JsonObject

_UNIT_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"([0-9]{1,9})\s*(s|min|m|h|d)")


def read_schedule(text: str, now: datetime) -> str | JsonObject:
    """What the API takes for what somebody wrote. What is none of the short forms is a cron expression, which the
    gateway judges.

    Raises:
        ValueError: a short form with something that is no span of time.
    """
    word, _, rest = text.strip().partition(" ")
    match word.lower():
        case "every":
            return {"kind": "every", "everyMs": round(_seconds(rest) * 1000)}
        case "in":
            return {"kind": "at", "at": (now + timedelta(seconds=_seconds(rest))).astimezone(UTC).isoformat()}
        case "at":
            return {"kind": "at", "at": rest.strip()}
        case _:
            return text


def told_schedule(schedule: object, timezone: object) -> str:
    """A schedule of the API's answer in a few words."""
    match schedule:
        case {"kind": "every", "everyMs": int(every_ms)}:
            return f"every {duration(every_ms / 1000)}"
        case {"kind": "at", "at": str(at)}:
            return f"at {told_time(at)}"
        case str():
            return f"{schedule} ({timezone})" if timezone else schedule
        case _:
            return "-"


def told_time(timestamp: str) -> str:
    """An ISO 8601 time on this machine's clock: `2026-12-24 18:00:00 CET`."""
    try:
        return datetime.fromisoformat(timestamp).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    except (ValueError, OverflowError):
        return "-"


def told_next(next_run: object, now: datetime) -> str:
    """When a job runs next: `in 3 h, 2026-12-24 18:00:00 CET`."""
    if not isinstance(next_run, str):
        return "-"
    try:
        seconds = (datetime.fromisoformat(next_run) - now).total_seconds()
    except (ValueError, TypeError):
        return "-"
    return f"{f'in {duration(seconds)}' if seconds > 0 else 'now'}, {told_time(next_run)}"


def _seconds(text: str) -> int:
    match = _SPAN.fullmatch(text.strip())
    if match is None or not int(match[1]):
        raise ValueError(f"{text.strip()!r} is no span of time: write 30s, 10m, 2h or 1d")
    return int(match[1]) * _UNIT_SECONDS[match[2]]
