"""The outbox in the storage: the values and the transactions that the message path has for it."""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from xopc.contracts.messages import Outbound, OutboxRow, OutboxState


@frozen
class Attempt:
    """What one attempt to send left behind."""

    state: OutboxState
    error: str | None = None
    next_attempt_at: float = 0.0
    """Of a pending one: seconds since the epoch."""
    possible_duplicate: bool = False
    """It may have been sent. Once that was so, it stays so."""


class OutboxStorage(Protocol):
    """The transactions on the outbox. Raises `StorageError` where nothing was stored."""

    async def enqueue(self, outbound: Outbound, idempotency_key: str | None = None) -> tuple[str, bool]:
        """Store a message to send: its id, and whether the key was known already for the same message:
        until 24 h after that one was sent or given up.

        Raises:
            XopcError: CONFLICT: the key was used for another message.
        """
        ...

    async def outbox_heads(self) -> list[OutboxRow]:
        """The oldest unsent message of each lane."""
        ...

    async def outbox_head(self, lane: str) -> OutboxRow | None:
        """The oldest unsent message of one lane (`lane_of` its address)."""
        ...

    async def recover_outbox(self) -> int:
        """At the start of a process: what was in flight is pending again, marked as a possible duplicate. How many."""
        ...

    async def begin_attempt(self, row_id: str) -> None:
        """In flight, one attempt more.

        Raises:
            StorageError: it is not to be sent: sent already, dead, or deleted.
        """
        ...

    async def record_part(self, row_id: str, parts_sent: int, platform_id: str | None) -> None:
        """One more part of it was sent."""
        ...

    async def settle(self, row_id: str, attempt: Attempt) -> None:
        """End an attempt, or give up without one. What is sent or dead already stays as it is."""
        ...

    async def outbox(self, state: OutboxState, limit: int, offset: int = 0) -> list[OutboxRow]:
        """Rows in a state, newest first."""
        ...

    async def outbox_row(self, row_id: str) -> OutboxRow | None: ...

    async def retry_dead(self, row_id: str) -> bool:
        """A dead message is pending again, in its old place in the lane, without attempts; its parts that were sent
        stay sent. False where there is no such dead one."""
        ...

    async def delete_dead(self, row_id: str) -> bool:
        """Forget a dead message, and its idempotency key; False where there is no such dead one."""
        ...


def lane_of(channel: str, account: str, chat: str) -> str:
    """Names a lane. The separator occurs in no channel's name and no account's."""
    return f"{channel}\x1f{account}\x1f{chat}"
