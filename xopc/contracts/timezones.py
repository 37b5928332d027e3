"""Time zones of the IANA database: of this system's copy, or else of the one that comes with xopc."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

MAX_ZONE_CHARS = 64
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")


def find_timezone(name: str) -> ZoneInfo | None:
    """The zone of this name; None where there is none."""
    if len(name) > MAX_ZONE_CHARS or not _NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):  # no such file, a folder such as `Europe`, or one that is no zone
        return None


def is_timezone(name: str) -> bool:
    """Whether there is a zone of this name."""
    return find_timezone(name) is not None
