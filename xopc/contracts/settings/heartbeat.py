"""`gateway.heartbeat` in the configuration file: when the agent looks by itself, and whom it tells."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from attrs import field, frozen

from xopc.contracts.limits import NAME, Text

MIN_INTERVAL_MS = 1000
MAX_INTERVAL_MS = 7 * 24 * 3600 * 1000
MAX_PROMPT_CHARS = 20_000
MAX_ACK_CHARS = 100_000


def _is_time(_: object, __: object, text: str) -> None:
    if not re.fullmatch(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00", text):
        raise ValueError('must be a time of day such as "08:30"')


def _is_zone(_: object, __: object, name: str | None) -> None:
    if name is None or not name.strip():
        return
    try:
        ZoneInfo(name)
    except (ValueError, KeyError, OSError):  # the names of its own, and those of no file and of a folder
        raise ValueError('is no time zone that this machine knows: write one such as "Europe/Berlin"') from None


def _is_interval(_: object, __: object, milliseconds: int) -> None:
    if not MIN_INTERVAL_MS <= milliseconds <= MAX_INTERVAL_MS:
        raise ValueError(f"must be {MIN_INTERVAL_MS} to {MAX_INTERVAL_MS}")


def _is_ack_limit(_: object, __: object, characters: int) -> None:
    if not 0 <= characters <= MAX_ACK_CHARS:
        raise ValueError(f"must be 0 to {MAX_ACK_CHARS}")


@frozen
class ActiveHours:
    """`gateway.heartbeat.activeHours`: the part of the day in which it beats. It may lie across midnight; an end that
    is the start means the whole day."""

    start: str = field(validator=_is_time)
    """`08:00`."""
    end: str = field(validator=_is_time)
    """`22:00`: the first minute that is no longer part of it. `24:00` is midnight."""
    timezone: str | None = field(default=None, validator=_is_zone)
    """`Europe/Berlin`. Default: that of the machine."""


@frozen
class HeartbeatSettings:
    """`gateway.heartbeat`: the agent looks now and then whether something needs attention, without being asked. Of the
    texts, an empty one means none."""

    enabled: bool = True
    interval_ms: int = field(default=1_800_000, validator=_is_interval)
    """From the beginning of one beat to that of the next: 1 s to 7 days."""
    target: str | None = field(default=None, validator=NAME)
    """The channel that hears of what needs attention. Default: nobody does."""
    target_chat_id: str | int | None = field(default=None, validator=NAME)
    """The chat on that channel; without it nobody hears."""
    target_account_id: str | None = field(default=None, validator=NAME)
    """The account of that channel. Default: its default account, or else its first."""
    prompt: str | None = field(default=None, validator=Text(0, MAX_PROMPT_CHARS))
    """What the agent is told at each beat, before the text of HEARTBEAT.md. Default: to follow that file."""
    ack_max_chars: int = field(default=300, validator=_is_ack_limit)
    """An answer with HEARTBEAT_OK and at most so many other characters is told to nobody."""
    isolated_session: bool = False
    """Whether each beat has a session of its own, and so remembers none before it."""
    active_hours: ActiveHours | None = None
    """Default: the whole day."""
