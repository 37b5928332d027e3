"""The heartbeat in the storage: the values and the transactions that it has for it."""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from xopc.contracts.messages import Inbound
from xopc.contracts.transcript import RunState


@frozen
class Beat:
    """A beat that was begun."""

    run_id: str
    session_key: str
    reason: str
    begun_at: float
    """Seconds since the epoch."""
    state: RunState | None
    """None where its run is forgotten: it ended more than a day ago, or was deleted with its session."""


class HeartbeatStorage(Protocol):
    """The transactions of the heartbeat. Raises `StorageError` where nothing was stored."""

    async def begin_beat(self, run_id: str, session_key: str, inbound: Inbound, reason: str, *, deliver: bool) -> bool:
        """Accept the message of a beat, and remember the beat as the last one; False, and nothing is stored, while the
        run of the one before it has no end, whichever process began it."""
        ...

    async def last_beat(self) -> Beat | None:
        """The beat that was begun last."""
        ...
