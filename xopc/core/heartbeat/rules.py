"""What a beat goes by, as functions of values: the hours, the tasks, and whether an answer is worth telling."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from attrs import evolve

from xopc.contracts.settings.heartbeat import ActiveHours
from xopc.contracts.transcript import SILENT_REPLIES, RunState
from xopc.storage.path.base import Turn, TurnEnd

INTERVAL = "interval"
"""The reason of a beat that nobody asked for."""
SENDER = "heartbeat"
"""Who says what the agent is told at a beat; also the beginning of its dedupe key."""

PROMPT = (
    "This is a heartbeat: nobody wrote to you just now. Follow HEARTBEAT.md strictly, as far as it stands below; do "
    "not take up or repeat tasks of earlier beats. If nothing needs attention, answer HEARTBEAT_OK and nothing else. "
    "If something does, answer with what your user has to know, without HEARTBEAT_OK."
)

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_NOTHING = re.compile(r"\s*(?:#+(?:\s.*)?|(?:[-*+]|[0-9]+[.)])\s*(?:\[[ xX]?\])?|[-*_]{3,}|>*)\s*")
"""A heading, an empty item of a list, a rule, or blanks."""
_ACK = re.compile(r"(?<![A-Za-z0-9])[*_`~]*HEARTBEAT_OK[*_`~]*(?![A-Za-z0-9])")


def has_tasks(text: str) -> bool:
    """Whether a HEARTBEAT.md asks for anything: more than headings, blanks, comments and empty items of lists."""
    lines = _COMMENT.sub("", text.removeprefix("\ufeff")).splitlines()
    return any(_NOTHING.fullmatch(line) is None for line in lines)


def is_within(hours: ActiveHours | None, now: datetime) -> bool:
    """Whether a moment, which has a time zone, lies in the active hours."""
    if hours is None:
        return True
    zone = ZoneInfo(hours.timezone) if hours.timezone and hours.timezone.strip() else None
    local = now.astimezone(zone)
    minute, start, end = local.hour * 60 + local.minute, _minute(hours.start), _minute(hours.end)
    if start == end:
        return True
    return start <= minute < end if start < end else minute >= start or minute < end


def told_to_agent(prompt: str | None, tasks: str | None, reasons: Sequence[str]) -> str:
    """What a beat says to the agent; `tasks` is the text of HEARTBEAT.md, where there is one."""
    parts = [(prompt or "").strip() or PROMPT]
    if reasons:
        parts.append(f"Woken by: {', '.join(reasons)}")
    if tasks is not None:
        parts.append(f"HEARTBEAT.md:\n\n{tasks}")
    return "\n\n".join(parts)


def worth_telling(reply: str, ack_max_chars: int) -> str:
    """An answer to a beat as people get it, without `HEARTBEAT_OK`; empty where they need not hear of it."""
    rest, acknowledged = _ACK.subn("", reply)
    rest = rest.strip()
    is_silent = rest in SILENT_REPLIES or (acknowledged and len(rest) <= ack_max_chars)
    return "" if is_silent else rest


def is_beat(turn: Turn) -> bool:
    """Whether a turn answers the heartbeat."""
    return turn.inbound.dedupe_key.startswith(f"{SENDER}:")


def judged(turn: Turn, end: TurnEnd, ack_max_chars: int) -> TurnEnd:
    """The end of a turn as it is to be stored: of a beat, what is worth telling goes out, once in 24 hours.

    One that failed tells nobody: people did not ask.
    """
    if not is_beat(turn):
        return end
    texts = [(outbound, worth_telling(outbound.text, ack_max_chars)) for outbound in end.outbox]
    told = tuple(evolve(outbound, text=text) for outbound, text in texts if text)
    return evolve(end, outbox=told if end.state is RunState.DONE else (), once_a_day=True)


def _minute(time: str) -> int:
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)
