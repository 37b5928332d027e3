"""The bodies of `/api/inbox`. Times are ISO 8601, UTC."""

from __future__ import annotations

from attrs import frozen

from xopc.contracts.api.paging import page_cursor, page_limit
from xopc.contracts.messages import InboxState


@frozen
class InboxFilter:
    """The query of `GET /api/inbox`."""

    state: InboxState = InboxState.PARKED
    """Which messages."""
    limit: int = page_limit()
    """How many, at most."""
    cursor: str | None = page_cursor()
    """Where to go on: `nextCursor` of the page before."""


@frozen
class InboxMessage:
    """A message that has no answer."""

    run_id: str
    """Of the turn that is to answer it."""
    session_key: str
    channel: str | None
    """Where it came from; null, as all that it says, where it cannot be read."""
    account_id: str | None
    chat_id: str | None
    thread_id: str | None
    sender: str | None
    """Who wrote it, as the platform names him."""
    content: str | None
    state: InboxState
    deliver: bool
    """The answer goes to the chat, too."""
    accepted_at: str
    attempts: int
    """How many times its turn stopped without an end."""
    last_error: str | None
    """What the last of them met."""
    parked_at: str | None
    """When it was given up."""


@frozen
class InboxPage:
    """A part of the list, the newest first."""

    items: tuple[InboxMessage, ...]
    limit: int
    has_more: bool
    next_cursor: str | None
    """`cursor` of the next page; null where there is none."""


@frozen
class InboxRetried:
    """It waits to be answered, as if it had just come."""

    retried: bool


@frozen
class InboxDeleted:
    """It is gone, and will not be answered."""

    deleted: bool
