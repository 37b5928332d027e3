"""The bodies of `/api/outbound`. Times are ISO 8601, UTC."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import and_, ge, le

from xopc.contracts.messages import OutboxState

MAX_PAGE = 500


@frozen
class OutboundFilter:
    """The query of `GET /api/outbound`."""

    state: OutboxState = OutboxState.DEAD
    """Which messages."""
    limit: int = field(default=50, validator=and_(ge(1), le(MAX_PAGE)))
    """How many, at most."""
    offset: int = field(default=0, validator=ge(0))
    """How many to leave out."""


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
    attempts: int
    next_attempt_at: str | None
    """Of a pending one; null: at once."""
    parts_sent: int
    """Of a message in several parts."""
    last_error: str | None
    possible_duplicate: bool
    """It was being sent when a process died."""


@frozen
class OutboundPage:
    """A part of the list, the newest first."""

    items: tuple[OutboundMessage, ...]
    limit: int
    offset: int
    has_more: bool


@frozen
class OutboundRetried:
    """It is sent again, as if for the first time."""

    retried: bool


@frozen
class OutboundDeleted:
    """It is gone."""

    deleted: bool
