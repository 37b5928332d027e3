"""The way of a message from its arrival to its delivery, as `GET /api/trace/{id}` tells it. Times are ISO 8601."""

from __future__ import annotations

from enum import Enum
from typing import Any

from attrs import frozen


class StepKind(Enum):
    """What happened to a message."""

    ACCEPTED = "accepted"
    """It was stored; from here on it is not lost."""
    BEGUN = "begun"
    """A process took it up."""
    MODEL = "model"
    """A model has answered, with text or with calls of tools."""
    TOOL = "tool"
    """A tool has answered."""
    ENDED = "ended"
    """Its turn has come to its end, or it was given up."""
    QUEUED = "queued"
    """An answer is to be sent."""
    SENT = "sent"
    DEAD = "dead"
    """An answer was given up."""
    CANCELLED = "cancelled"
    """An answer was taken back."""
    LOGGED = "logged"
    """A line of the log."""


@frozen
class TraceStep:
    """One thing that happened."""

    at: str
    kind: StepKind
    text: str
    """For people."""
    after_ms: int | None
    """Since the step before; null for the first."""
    details: dict[str, Any]
    """For programs: ids, names, counts; never what somebody said."""


@frozen
class Trace:
    """The way of one message."""

    run_id: str | None
    """Null of a message that nobody's turn has made."""
    session_key: str | None
    dedupe_key: str | None
    message_ids: tuple[str, ...]
    """Of the answers, in the outbox."""
    state: str
    """Where it is: `waiting`, `running`, `parked`, or how its turn ended; without a turn, the state of the message."""
    total_ms: int
    """From the first step to the last."""
    steps: tuple[TraceStep, ...]


@frozen
class Traces:
    """The ways of the messages that an id names: one, unless platforms gave it to several."""

    traces: tuple[Trace, ...]
    is_log_complete: bool
    """Whether all of the log was looked through that may tell of them."""
