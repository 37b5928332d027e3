"""The bodies of `/api/heartbeat` and of the file that it follows. Times are ISO 8601, UTC."""

from __future__ import annotations

from attrs import field, frozen

from xopc.contracts.limits import Text
from xopc.contracts.transcript import RunState

MAX_REASON_CHARS = 120
MAX_TASKS_CHARS = 20_000
"""Of HEARTBEAT.md: each beat sends it to a model."""
TASKS_FILE = "HEARTBEAT.md"

CONTENT = Text(0, MAX_TASKS_CHARS)


@frozen
class HeartbeatBeat:
    """A beat that was begun."""

    begun_at: str
    reason: str
    """`interval`, or what woke it: `cron:<job>`, or what the caller of the trigger said."""
    session_key: str
    """Of its transcript."""
    run_id: str
    state: RunState | None
    """How its run stands; null where that was more than a day ago."""


@frozen
class HeartbeatSkip:
    """A beat that there was not."""

    at: str
    reason: str
    why: str
    """What kept it, in words."""


@frozen
class HeartbeatState:
    """How the heartbeat stands."""

    enabled: bool
    interval_ms: int
    target: str | None
    """The channel that hears of what needs attention; null: nobody does."""
    target_chat_id: str | None
    next_at: str | None
    """Of the next beat by itself; null where it is disabled."""
    last: HeartbeatBeat | None
    skipped: HeartbeatSkip | None
    """What was left out after the last beat, or since the last start."""


@frozen
class HeartbeatTrigger:
    """`POST /api/heartbeat/trigger`."""

    reason: str | None = field(default=None, validator=Text(0, MAX_REASON_CHARS))
    """For the log and for the agent."""


@frozen
class HeartbeatScheduled:
    """There will be a beat as soon as nobody is talking; what comes of it, `GET /api/heartbeat` tells."""

    scheduled: bool


@frozen
class TasksContent:
    """The file, whole."""

    content: str
    """Empty where there is none."""
    file: str = TASKS_FILE


@frozen
class TasksShown:
    """`GET /api/workspace/heartbeat-md`."""

    ok: bool = field(default=True, kw_only=True)
    payload: TasksContent


@frozen
class TasksChange:
    """`PUT /api/workspace/heartbeat-md`."""

    content: str = field(validator=CONTENT)
    """All of the new text; at most 20,000 characters."""


@frozen
class TasksName:
    """The file."""

    file: str = TASKS_FILE


@frozen
class TasksChanged:
    """It is stored."""

    ok: bool = field(default=True, kw_only=True)
    payload: TasksName
