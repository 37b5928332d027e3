"""The bodies of `/api/sessions`. Times are ISO 8601, UTC."""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen
from attrs.validators import and_, ge, le, optional

from xopc.contracts.convert import spelled
from xopc.contracts.limits import ID, NAME
from xopc.contracts.transcript import Role, ToolCall, Usage

MAX_PAGE = 500


@frozen
class CreateSession:
    """`POST /api/sessions`."""

    channel: str = field(default="webchat", validator=NAME)
    """The source segment of the key."""
    chat_id: str | int | None = field(default=None, validator=ID, metadata=spelled("chat_id", "chatId"))
    """The peer of the key. Default: an empty session is used again, or a new peer is made up."""
    agent_id: str | None = field(default=None, validator=NAME)
    """Default: the default agent."""


class SessionStatus(Enum):
    """Where a session is in its life."""

    ACTIVE = "active"


@frozen
class SessionRouting:
    """What the key is made of, as the platform spells it."""

    agent_id: str
    source: str
    account_id: str
    peer_kind: str
    peer_id: str
    thread_id: str | None


@frozen
class Session:
    """A session without its messages."""

    key: str
    name: str | None
    status: SessionStatus
    tags: tuple[str, ...]
    created_at: str
    updated_at: str
    last_accessed_at: str
    message_count: int
    estimated_tokens: int
    compacted_count: int
    source_channel: str
    source_chat_id: str
    routing: SessionRouting
    model: str | None
    """Chosen for this session; null leaves it to the agent."""


@frozen
class SessionMessage:
    """One message of a session."""

    seq: int
    """Its place; `before` takes it."""
    role: Role
    content: str
    timestamp: str
    tool_call_id: str | None = field(metadata=spelled("tool_call_id"))
    tool_calls: tuple[ToolCall, ...] = field(metadata=spelled("tool_calls"))
    tool_name: str | None
    is_error: bool
    name: str | None
    """Who wrote it, in a group."""
    run_id: str | None
    model: str | None
    usage: Usage | None


@frozen
class SessionDetail(Session):
    """A session and the newest of its messages, or those before `before`; the oldest comes first."""

    messages: tuple[SessionMessage, ...]


@frozen
class SessionCreated:
    """There was none, and now there is."""

    session: Session


@frozen
class SessionReused:
    """There was one already; it is as it was."""

    session: Session
    reused: bool


@frozen
class SessionRead:
    """`GET /api/sessions/{key}`."""

    session: SessionDetail


@frozen
class SessionDeleted:
    """`DELETE /api/sessions/{key}`."""

    deleted: bool


class SessionOrder(Enum):
    """What a list is sorted by."""

    UPDATED = "updatedAt"
    CREATED = "createdAt"
    MESSAGES = "messageCount"
    ACCESSED = "lastAccessedAt"


class Direction(Enum):
    """Which way."""

    ASCENDING = "asc"
    DESCENDING = "desc"


@frozen
class SessionFilter:
    """The query of `GET /api/sessions`."""

    channel: str | None = None
    """Only those of this channel."""
    agent_id: str | None = None
    """Only those of this agent."""
    search: str | None = None
    """In key and name, ignoring case."""
    limit: int = field(default=50, validator=and_(ge(1), le(MAX_PAGE)))
    """How many, at most."""
    offset: int = field(default=0, validator=ge(0))
    """How many to leave out."""
    sort_by: SessionOrder = SessionOrder.UPDATED
    sort_order: Direction = Direction.DESCENDING


@frozen
class SessionPage:
    """A part of the list."""

    items: tuple[Session, ...]
    total: int
    limit: int
    offset: int
    has_more: bool


@frozen
class MessagePaging:
    """The query of `GET /api/sessions/{key}`."""

    limit: int = field(default=100, validator=and_(ge(1), le(MAX_PAGE)))
    """How many messages, at most."""
    before: int | None = field(default=None, validator=optional(ge(1)))
    """Only messages before this `seq`."""
