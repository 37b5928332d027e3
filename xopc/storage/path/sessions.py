"""Sessions in the storage: the values and the transactions that the message path has for them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, Protocol

from attrs import field, frozen

from xopc.contracts.transcript import Entry

IDLE_SECONDS = 24 * 3600
"""An active session in which nothing was said for so long is idle."""


class Keeping(Enum):
    """What people have decided for a session. Pruning leaves alone what is archived or pinned."""

    ACTIVE = "active"
    ARCHIVED = "archived"
    PINNED = "pinned"


@frozen
class SessionInfo:
    """A session without its messages. Times are seconds since the epoch."""

    key: str
    agent_id: str
    source: str
    account_id: str
    """As the platform spells it, like the peer and the thread."""
    peer_kind: str
    peer_id: str
    thread_id: str | None
    created_at: float
    updated_at: float
    message_count: int
    estimated_tokens: int
    name: str | None = None
    model: str | None = None
    """Chosen for this session; None leaves it to the agent."""
    scope_id: str | None = None
    keeping: Keeping = Keeping.ACTIVE
    last_accessed_at: float = 0.0
    """Written in or opened; perhaps some seconds late."""
    turn_count: int = 0
    token_count: int = 0
    """What models counted in its turns."""
    last_turn_at: float | None = None
    thinking_level: str | None = None
    reasoning_level: str | None = None
    verbose_level: str | None = None
    custom_data: dict[str, Any] = field(factory=dict[str, Any])
    tags: tuple[str, ...] = ()
    """In alphabetical order."""


@frozen
class SessionQuery:
    """Which sessions, in which order."""

    channel: str | None = None
    agent_id: str | None = None
    search: str | None = None
    """In key and name, ignoring case."""
    keepings: frozenset[Keeping] = frozenset(Keeping)
    is_idle: bool | None = None
    """Of active ones: only those that are idle, or only those that are not."""
    tags: tuple[str, ...] = ()
    """All of them."""
    sort_by: str = "updatedAt"
    """updatedAt, createdAt, messageCount or lastAccessedAt."""
    descending: bool = True
    limit: int = 50
    offset: int = 0

    @property
    def narrows(self) -> bool:
        """Whether it leaves any session out."""
        return bool(self.channel or self.agent_id or self.search or self.tags) or self.narrows_keeping

    @property
    def is_summed(self) -> bool:
        """Whether all that leaves sessions out is what `SessionSum` tells apart."""
        return not (self.search or self.tags) and self.is_idle is None

    @property
    def narrows_keeping(self) -> bool:
        return self.is_idle is not None or len(self.keepings) < len(Keeping)


@frozen
class SessionChange:
    """What of a session shall be otherwise; None leaves it as it is."""

    keeping: Keeping | None = None
    name: str | None = None
    """Empty: none."""
    tags: tuple[str, ...] | None = None
    custom_data: dict[str, Any] | None = None
    thinking_level: str | None = None
    """Empty leaves it to the agent, as of the three below."""
    reasoning_level: str | None = None
    verbose_level: str | None = None
    model: str | None = None


@frozen
class SessionSum:
    """Sums over the sessions of one agent and source that are kept alike."""

    agent_id: str
    source: str
    keeping: Keeping
    sessions: int
    messages: int
    turns: int
    tokens: int


@frozen
class Chat:
    """A chat that somebody has written from."""

    channel: str
    account: str
    chat: str
    peer_kind: str
    last_at: float
    """Seconds since the epoch; noted once in ten."""


@frozen
class PruneQuery:
    """Which sessions to forget: those that fit all that is said. Archived and pinned ones, and those with a message
    that waits, never."""

    unused_since: float | None = None
    """Those in which nothing was said since, in seconds since the epoch."""
    keep_newest: int | None = None
    """All but so many of those that are active."""
    channel: str | None = None
    agent_id: str | None = None


class SessionStorage(Protocol):
    """The transactions on sessions. Raises `StorageError` where nothing was stored."""

    async def create_session(self, session_key: str, inbound_peer: str) -> SessionInfo:
        """The session of this key, made where there is none; `inbound_peer` is its peer as the platform spells it.

        Raises:
            XopcError: INVALID_REQUEST: it is no session key.
        """
        ...

    async def session(self, session_key: str) -> SessionInfo | None: ...

    async def sessions(self, query: SessionQuery) -> tuple[list[SessionInfo], int]:
        """A page of sessions, and how many there are in all.

        Raises:
            XopcError: INVALID_REQUEST: it cannot be sorted by that.
        """
        ...

    async def session_sums(self) -> tuple[list[SessionSum], int]:
        """All sums, and how many active sessions are idle."""
        ...

    async def chats(self, channel: str | None, limit: int, offset: int = 0) -> list[Chat]:
        """The chats that somebody has written from, the last one first."""
        ...

    async def empty_session(self, source: str, agent_id: str) -> SessionInfo | None:
        """The newest active session of this source and agent without messages, and without any that waits."""
        ...

    async def active_run(self, session_key: str) -> str | None:
        """The run that runs in a session, or else the first that waits there."""
        ...

    async def change_session(self, session_key: str, change: SessionChange) -> SessionInfo | None:
        """The session as it is after the change; None where there is none."""
        ...

    async def touch_sessions(self, accesses: Sequence[tuple[str, float]]) -> None:
        """Note when sessions were opened. Those that are gone are left out."""
        ...

    async def delete_session(self, session_key: str) -> bool:
        """Forget a session, its messages, runs and inbox rows; its outbox rows stay. False where there is none."""
        ...

    async def prunable_sessions(self, query: PruneQuery) -> list[str]:
        """The keys of the sessions that a prune would forget, the longest unused first."""
        ...

    async def prune_sessions(self, session_keys: Sequence[str], query: PruneQuery) -> list[str]:
        """Forget some of them, but for those that are none any more; those that went."""
        ...

    async def reset_session(self, session_key: str) -> None:
        """Start the history anew: what was said before is kept, but no longer in the window."""
        ...

    async def set_model(self, session_key: str, model: str | None) -> None: ...

    async def messages(self, session_key: str, limit: int, before: int | None = None) -> list[Entry]:
        """The newest messages before a seq, oldest first. Fewer where they are very long, but one in any case."""
        ...

    async def all_messages(self, session_key: str, limit: int, most_chars: int) -> list[Entry]:
        """As `messages`, without keeping the event loop, for very many: as many as have so many characters of JSON."""
        ...

    async def history(self, session_key: str, limit: int) -> list[Entry]:
        """The newest messages since the last reset, oldest first. Begins with no result of a tool: its call would lie
        outside. A call without its result may be among them, where a run was stopped in between."""
        ...
