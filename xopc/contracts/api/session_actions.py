"""The bodies of what can be done with a session: changing, exporting, pruning. Times are ISO 8601, UTC."""

from __future__ import annotations

import json
from enum import Enum

from attrs import field, frozen
from attrs.validators import and_, ge, le, matches_re, max_len, optional

from xopc.contracts.api.paging import page_limit, page_offset
from xopc.contracts.api.sessions import MAX_TAG_CHARS, MAX_TAGS, CustomData, Session
from xopc.contracts.limits import MAX_ID_CHARS, MAX_WHOLE, NAME, Text, Texts

MAX_NAME_CHARS = 200
MAX_CUSTOM_BYTES = 64 * 1024
MAX_EXPORT_MESSAGES = 10_000
MAX_EXPORT_CHARS = 16 * 1024 * 1024
TO_THE_AGENT = "default"
"""Instead of a choice of one's own: what the agent says holds."""


@frozen
class SessionArchived:
    """`POST /api/sessions/{key}/archive` and `unarchive`."""

    archived: bool


@frozen
class SessionPinned:
    """`POST /api/sessions/{key}/pin` and `unpin`."""

    pinned: bool


@frozen
class RenameSession:
    """`POST /api/sessions/{key}/rename`."""

    name: str = field(validator=Text(0, MAX_NAME_CHARS))
    """The empty one takes its name away."""


@frozen
class SessionRenamed:
    """`POST /api/sessions/{key}/rename`."""

    renamed: bool


@frozen
class SessionReset:
    """`POST /api/sessions/{key}/reset`."""

    reset: bool


def _is_small(_: object, __: object, data: CustomData | None) -> None:
    if data is not None and len(json.dumps(data.values)) > MAX_CUSTOM_BYTES:
        raise ValueError(f"must be at most {MAX_CUSTOM_BYTES // 1024} KiB of JSON")


@frozen
class SessionPatch:
    """`PATCH /api/sessions/{key}`. What is left out, or null, stays as it is."""

    name: str | None = field(default=None, validator=Text(0, MAX_NAME_CHARS))
    """The empty one takes its name away."""
    tags: tuple[str, ...] | None = field(default=None, validator=Texts(MAX_TAGS, Text(1, MAX_TAG_CHARS)))
    """All that it has from now on."""
    custom_data: CustomData | None = field(default=None, validator=_is_small)
    """Takes the place of what was there; at most 64 KiB."""


@frozen
class SessionChanged:
    """The session as it is now."""

    session: Session


class ThinkingLevel(Enum):
    """How long a model thinks before it answers."""

    DEFAULT = "default"
    OFF = "off"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    ADAPTIVE = "adaptive"
    """As the model thinks fit."""


class ReasoningLevel(Enum):
    """Whether clients show what a model thinks."""

    DEFAULT = "default"
    OFF = "off"
    ON = "on"
    STREAM = "stream"


class VerboseLevel(Enum):
    """How much clients show of the tools that run."""

    DEFAULT = "default"
    OFF = "off"
    ON = "on"
    FULL = "full"


@frozen
class AgentConfig:
    """What a session has chosen for itself; `default` leaves it to the agent."""

    thinking_level: ThinkingLevel
    """Sent to models that take it, as `reasoning_effort`."""
    reasoning_level: ReasoningLevel
    """Kept for clients, as the next one: they show as much."""
    verbose_level: VerboseLevel
    model: str
    """`provider/model`."""


@frozen
class AgentConfigPatch:
    """`PATCH /api/sessions/{key}/agent-config`. What is left out, or null, stays as it is."""

    thinking_level: ThinkingLevel | None = None
    reasoning_level: ReasoningLevel | None = None
    verbose_level: VerboseLevel | None = None
    model: str | None = field(
        default=None, validator=optional(and_(max_len(MAX_ID_CHARS), matches_re(r"default|[^\s/]+/\S+")))
    )
    """`provider/model`, or `default`."""


class ExportFormat(Enum):
    """How a session is written down."""

    JSON = "json"
    MARKDOWN = "markdown"


@frozen
class ExportQuery:
    """The query of `GET /api/sessions/{key}/export`."""

    format: ExportFormat = ExportFormat.JSON


@frozen
class SessionExport:
    """`GET /api/sessions/{key}/export`."""

    content: str
    """The newest messages, 10,000 or 16 MiB of them at most, after what is known of the session."""
    format: ExportFormat


@frozen
class SessionStatistics:
    """`GET /api/sessions/stats`."""

    total: int
    active: int
    idle: int
    archived: int
    pinned: int
    messages: int
    turns: int
    tokens: int
    """What models counted."""
    by_channel: tuple[ChannelSessions, ...]
    """The 100 with the most sessions, the most first."""


@frozen
class ChannelSessions:
    """The sessions of a channel and an agent."""

    channel: str
    agent_id: str
    sessions: int
    messages: int


@frozen
class ChatQuery:
    """The query of `GET /api/sessions/chat-ids`."""

    channel: str | None = field(default=None, validator=NAME)
    """Only those of this channel."""
    limit: int = page_limit()
    """How many, at most."""
    offset: int = page_offset()
    """How many to leave out."""


@frozen
class ChatId:
    """A chat that somebody has written from: messages can be sent there."""

    channel: str
    chat_id: str
    account_id: str
    peer_kind: str
    peer_id: str
    last_active: str


@frozen
class ChatIds:
    """`GET /api/sessions/chat-ids`, the last used first."""

    chat_ids: tuple[ChatId, ...]
    limit: int
    offset: int
    has_more: bool


@frozen
class PruneSessions:
    """`POST /api/sessions/prune`: of the sessions that are neither archived nor pinned, and have no message that waits,
    those that fit all that is said; all of them where nothing is said."""

    unused_for_ms: int | None = field(default=None, validator=optional(and_(ge(0), le(MAX_WHOLE))))
    """Those in which nothing was said for so long."""
    keep_newest: int | None = field(default=None, validator=optional(and_(ge(0), le(MAX_WHOLE))))
    """All but so many, the last used."""
    channel: str | None = field(default=None, validator=NAME)
    """Only those of this channel; none has the empty name."""
    agent_id: str | None = field(default=None, validator=NAME)
    """Only those of this agent, likewise."""
    dry_run: bool = True
    """Only tell which they are; with false they go."""


@frozen
class SessionsPruned:
    """What was forgotten, or would be."""

    dry_run: bool
    count: int
    keys: tuple[str, ...]
    """The first 500 of them, the longest unused first."""
