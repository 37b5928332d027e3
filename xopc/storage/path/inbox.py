"""The inbox to look at, and its parked messages to decide about: the transactions for it."""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from xopc.contracts.messages import InboxCounts, InboxRow, InboxState


@frozen
class InboxPlace:
    """Where a message stands in a list of those in its state."""

    parked_at: float
    """0 of what is not parked."""
    seq: int


class ParkedStorage(Protocol):
    """What somebody may see of the inbox, and do. Raises `StorageError` where nothing was stored."""

    async def inbox(self, state: InboxState, limit: int, behind: InboxPlace | None = None) -> list[InboxRow]:
        """Messages in a state, newest first; those behind a place."""
        ...

    async def inbox_counts(self) -> InboxCounts: ...

    async def retry_parked(self, run_id: str) -> str | None:
        """A parked message waits again behind all others, as if it had just been accepted: its run begins anew, without
        attempts, and outlives its process. The key of its session; None where there is no such parked one."""
        ...

    async def delete_parked(self, run_id: str) -> bool:
        """Forget a parked message, but not its dedupe key: False where there is no such parked one."""
        ...
