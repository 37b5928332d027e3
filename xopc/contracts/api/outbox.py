"""The bodies of `/api/outbound`. Times are ISO 8601, UTC."""

from __future__ import annotations

from attrs import field, frozen

from xopc.contracts.api.paging import page_cursor, page_limit
from xopc.contracts.convert import spelled
from xopc.contracts.limits import NAME
from xopc.contracts.messages import ErrorClass, OutboxState


@frozen
class OutboundFilter:
    """The query of `GET /api/outbound`."""

    state: tuple[OutboxState, ...] = (OutboxState.DEAD,)
    """Those in one of these states."""
    channel: str | None = field(default=None, validator=NAME)
    """Those that go there."""
    account_id: str | None = field(default=None, validator=NAME)
    """Those of this account."""
    chat_id: str | None = field(default=None, validator=NAME, metadata=spelled("chat_id", "chatId"))
    """Those to this chat."""
    error_class: ErrorClass | None = None
    """Those whose last error was of this kind."""
    limit: int = page_limit()
    """How many, at most."""
    cursor: str | None = page_cursor()
    """Where to go on: `nextCursor` of the page before."""


@frozen
class OutboundMessage:
    """A message of the outbox."""

    id: str
    channel: str
    account_id: str
    chat_id: str
    thread_id: str | None
    content: str
    state: OutboxState
    created_at: str
    expires_at: str | None
    """Of one that is not sent yet: when it is given up."""
    settled_at: str | None
    """When it was sent, given up or cancelled."""
    attempts: int
    next_attempt_at: str | None
    """Of a pending one; null: at once, or as soon as its account and those before it let it."""
    waits_for: str | None
    """Of a pending one: why its account is left alone at the moment."""
    parts_sent: int
    """Of a message in several parts."""
    platform_message_ids: tuple[str, ...]
    """Of the parts that were sent."""
    last_error: str | None
    error_class: ErrorClass | None
    """Of the last error."""
    possible_duplicate: bool
    """It may arrive twice, or has: it was being sent when a process died or a connection broke."""


@frozen
class OutboundPage:
    """A part of the list, the newest first. It may be shorter than the limit, or empty, and not be the last."""

    items: tuple[OutboundMessage, ...]
    limit: int
    has_more: bool
    next_cursor: str | None
    """`cursor` of the next page; null where there is none."""


@frozen
class DeadLetters:
    """Which dead letters to decide about; without any key, all."""

    channel: str | None = field(default=None, validator=NAME)
    """Those that were to go there."""
    account_id: str | None = field(default=None, validator=NAME)
    """Those of this account."""
    chat_id: str | None = field(default=None, validator=NAME, metadata=spelled("chat_id", "chatId"))
    """Those to this chat."""
    error_class: ErrorClass | None = None
    """Those whose last error was of this kind."""


@frozen
class OutboundRetried:
    """It is sent again, as if for the first time."""

    retried: bool


@frozen
class OutboundsRetried:
    """They are sent again, as if for the first time."""

    retried: int
    """How many."""


@frozen
class OutboundRemoved:
    """A message that waited is not sent; a dead letter is gone."""

    cancelled: bool
    """It waited, or was cancelled before. It can be seen for a day."""
    deleted: bool
    """It was a dead letter."""


@frozen
class OutboundsDeleted:
    """They are gone."""

    deleted: int
    """How many."""
