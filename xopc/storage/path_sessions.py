"""Sessions in the storage: the values and the transactions that the message path has for them."""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from xopc.contracts.transcript import Entry


@frozen
class SessionInfo:
    """A session without its messages. Times are seconds since the epoch."""

    key: str
    agent_id: str
    source: str
    account_id: str
    peer_kind: str
    peer_id: str
    """As the platform spells it."""
    thread_id: str | None
    created_at: float
    updated_at: float
    message_count: int
    estimated_tokens: int
    name: str | None = None
    model: str | None = None
    """Chosen for this session; None leaves it to the agent."""


@frozen
class SessionQuery:
    """Which sessions, in which order."""

    channel: str | None = None
    agent_id: str | None = None
    search: str | None = None
    """In key and name, ignoring case."""
    sort_by: str = "updatedAt"
    """updatedAt, createdAt or messageCount."""
    descending: bool = True
    limit: int = 50
    offset: int = 0


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

    async def empty_session(self, source: str, agent_id: str) -> SessionInfo | None:
        """The newest session of this source and agent without messages, and without any that waits."""
        ...

    async def delete_session(self, session_key: str) -> bool:
        """Forget a session, its messages, runs and inbox rows; its outbox rows stay. False where there is none."""
        ...

    async def reset_session(self, session_key: str) -> None:
        """Start the history anew: what was said before is kept, but no longer in the window."""
        ...

    async def set_model(self, session_key: str, model: str | None) -> None: ...

    async def messages(self, session_key: str, limit: int, before: int | None = None) -> list[Entry]:
        """The newest messages before a seq, oldest first."""
        ...

    async def history(self, session_key: str, limit: int) -> list[Entry]:
        """The newest messages since the last reset, oldest first. Begins with no result of a tool: its call would lie
        outside. A call without its result may be among them, where a run was stopped in between."""
        ...
