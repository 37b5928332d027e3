"""The bodies of `/api/sessions`. Times are ISO 8601, UTC."""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen
from attrs.validators import ge, max_len, optional

from xopc.contracts.api.paging import page_limit, page_offset
from xopc.contracts.convert import JsonObject, spelled
from xopc.contracts.keys import SessionType
from xopc.contracts.limits import ID, NAME, Text, Texts
from xopc.contracts.transcript import Role, ToolCall, Usage
from xopc.contracts.whole import whole

MAX_TAGS = 20
MAX_TAG_CHARS = 64
MAX_SEARCH_CHARS = 256


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
    IDLE = "idle"
    """Active, but nothing was said for a day."""
    ARCHIVED = "archived"
    """Put away: pruning leaves it alone, and a new message makes it active again."""
    PINNED = "pinned"
    """Pruning leaves it alone."""


@frozen
class SessionRouting:
    """What the key is made of, as the platform spells it."""

    agent_id: str
    source: str
    account_id: str
    peer_kind: str
    peer_id: str
    thread_id: str | None
    scope_id: str | None


@frozen
class SessionStats:
    """How much was said."""

    message_count: int
    token_count: int
    """What models counted, of questions and answers."""
    turn_count: int
    last_turn_at: str | None


@frozen
class CustomData:
    """What clients want to remember of a session: any JSON object, which the gateway only keeps."""

    values: JsonObject = field(metadata=whole({"colour": "green"}))


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
    """Written in, or opened."""
    message_count: int
    estimated_tokens: int
    compacted_count: int
    source_channel: str
    source_chat_id: str
    session_type: SessionType
    routing: SessionRouting
    stats: SessionStats
    custom_data: CustomData
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

    active_run: str | None
    """The run that the agent is at, or that waits for its turn: `POST /api/agent/resume` shows it."""
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
    limit: int
    has_more: bool
    """There are older messages."""
    next_before: int | None
    """`before` of the next page, which has them; null where there is none."""


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
    status: tuple[SessionStatus, ...] = ()
    """One of these. Default: any."""
    tags: tuple[str, ...] = field(default=(), validator=Texts(MAX_TAGS, Text(0, MAX_TAG_CHARS)))
    """All of these."""
    search: str | None = field(default=None, validator=optional(max_len(MAX_SEARCH_CHARS)))
    """In key and name, ignoring case."""
    limit: int = page_limit()
    """How many, at most."""
    offset: int = page_offset()
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

    limit: int = page_limit()
    """How many messages, at most."""
    before: int | None = field(default=None, validator=optional(ge(1)))
    """Only messages before this `seq`."""
