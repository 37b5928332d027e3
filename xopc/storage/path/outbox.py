"""The outbox in the storage: the values and the transactions that the message path has for it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from attrs import frozen

from xopc.contracts.messages import ErrorClass, Outbound, OutboxRow, OutboxState


@frozen
class Pause:
    """An account that a platform wants to be left alone."""

    channel: str
    account: str
    until: float
    """Seconds since the epoch."""
    seconds: float
    """How long the pause was when it began: no clock makes it longer."""
    reason: str


@frozen
class Attempt:
    """What one attempt to send left behind."""

    state: OutboxState
    error: str | None = None
    error_class: ErrorClass | None = None
    next_attempt_at: float = 0.0
    """Of a pending one: seconds since the epoch."""
    pause_seconds: float = 0.0
    """The pause that ends then: no clock makes it longer."""
    possible_duplicate: bool = False
    """It may have been sent. Once that was so, it stays so."""
    is_unclear: bool = False
    """Nobody knows whether it arrived."""
    was_cut: bool = False
    """It ended between two parts, and is not counted."""
    account_pause: Pause | None = None
    """Of its account, in the same commit."""


@frozen
class LaneHead:
    """When the oldest unsent message of a lane is due, and when its time is over."""

    lane: str
    next_attempt_at: float
    pause_seconds: float
    queued_at: float
    ttl_seconds: float | None


@frozen
class Selection:
    """Which messages, by where they go and what went wrong; None is any."""

    channel: str | None = None
    account: str | None = None
    chat: str | None = None
    error_class: ErrorClass | None = None


@frozen
class OutboxQuery:
    """A page of the outbox."""

    states: tuple[OutboxState, ...]
    limit: int
    before: int | None = None
    """Where the page before ended: its `next_before`."""
    selection: Selection = Selection()


@frozen
class OutboxPage:
    """Messages, the newest first."""

    rows: tuple[OutboxRow, ...]
    next_before: int | None
    """Where to go on; None where there are no more."""


class Removal(Enum):
    """What became of a message that was to be removed."""

    CANCELLED = "cancelled"
    """It is not sent, or was taken back before; it stays to be seen for a day."""
    FORGOTTEN = "forgotten"
    """It was a dead letter, and is gone."""
    TOO_LATE = "too late"
    """It is being sent, or was sent."""


class OutboxStorage(Protocol):
    """The transactions on the outbox. Raises `StorageError` where nothing was stored."""

    async def enqueue(self, outbound: Outbound, idempotency_key: str | None = None) -> tuple[str, bool]:
        """Store a message to send: its id, and whether the key was known already for the same message:
        until 24 h after that one was sent or given up.

        Raises:
            XopcError: CONFLICT: the key was used for another message.
        """
        ...

    async def outbox_lanes(self, after: str, limit: int) -> list[LaneHead]:
        """Lanes with unsent messages, in the order of their names; those behind the name `after`."""
        ...

    async def outbox_head(self, lane: str) -> OutboxRow | None:
        """The oldest unsent message of one lane (`lane_of` its address)."""
        ...

    async def recover_outbox(self, idempotent: Sequence[str] = ()) -> int:
        """At the start of a process: what was in flight is pending again, one more attempt of it is unclear, and it is
        marked as a possible duplicate, unless its channel is one of the idempotent ones. How many were marked."""
        ...

    async def outbox_pauses(self) -> list[Pause]:
        """The accounts that were to be left alone, perhaps until now."""
        ...

    async def begin_attempt(self, row_id: str) -> bool:
        """In flight, one attempt more. False where it is not to be sent: sent already, dead, cancelled, or deleted."""
        ...

    async def record_part(self, row_id: str, parts_sent: int, platform_id: str | None) -> None:
        """One more part of it was sent."""
        ...

    async def settle(self, row_id: str, attempt: Attempt) -> bool:
        """End an attempt, or give up without one. What is settled already stays as it is: False."""
        ...

    async def expired(self, now: float, limit: int) -> list[OutboxRow]:
        """Messages that wait and say themselves how long, as far as that was over before this moment: those whose time
        was over first."""
        ...

    async def next_expiry(self) -> float | None:
        """When the time of the first of those that wait is over, or was; None where there is none."""
        ...

    async def give_up(self, row_id: str, attempt: Attempt) -> bool:
        """Settle a message that waits, wherever in its lane. One that is being sent, or is settled, stays so: False."""
        ...

    async def outbox(self, query: OutboxQuery) -> OutboxPage:
        """A page of messages, the newest first. It may be shorter than asked for, or empty, and not be the last."""
        ...

    async def outbox_row(self, row_id: str) -> OutboxRow | None: ...

    async def retry_dead(self, row_id: str) -> bool:
        """A dead message is pending again, in its old place in the lane, without attempts; its parts that were sent
        stay sent. False where there is no such dead one."""
        ...

    async def retry_all_dead(self, selection: Selection) -> tuple[int, set[str]]:
        """The same for all of a selection. How many, and their lanes."""
        ...

    async def remove(self, row_id: str) -> Removal | None:
        """Cancel a pending message, or forget a dead one and its idempotency key; None where there is none."""
        ...

    async def delete_all_dead(self, selection: Selection) -> int:
        """Forget all dead messages of a selection, and their idempotency keys. How many."""
        ...


_SEPARATOR = "\x1f"


def lane_of(channel: str, account: str, chat: str) -> str:
    """Names a lane. The separator occurs in no channel's name and no account's."""
    return _SEPARATOR.join((channel, account, chat))


def account_of(lane: str) -> tuple[str, str]:
    """The channel and the account of a lane."""
    channel, account, _ = lane.split(_SEPARATOR, 2)
    return channel, account


def chat_of(lane: str) -> str:
    """The chat of a lane."""
    return lane.split(_SEPARATOR, 2)[2]
