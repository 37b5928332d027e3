"""The heartbeat in the storage: the values and the transactions that it has for it."""

from __future__ import annotations

from collections.abc import Sequence
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


MAX_WAKES = 20
"""Of one beat: so many reasons are told, of those that woke it."""


@frozen
class Wake:
    """What woke the heartbeat, and no beat has come of it yet."""

    reason: str
    by_hand: bool
    """Somebody wants to see it, also where nobody would be told."""


class HeartbeatStorage(Protocol):
    """The transactions of the heartbeat. Raises `StorageError` where nothing was stored."""

    async def wake_heart(self, wake: Wake) -> None:
        """Remember what woke it; the same reason once, and no more than `MAX_WAKES`. A run of a job that goes well is
        remembered in the commit of its end, as `cron:<job>`."""
        ...

    async def wakes(self) -> list[Wake]:
        """What woke it since the last beat, in that order."""
        ...

    async def forget_wakes(self, wakes: Sequence[Wake]) -> None:
        """There should be no beat for these."""
        ...

    async def begin_beat(
        self, run_id: str, session_key: str, inbound: Inbound, reason: str, wakes: Sequence[Wake], *, deliver: bool
    ) -> bool:
        """Accept the message of a beat that comes of these wakes, and remember the beat as the last one; False, and
        nothing is stored, while the run of the one before it has no end, whichever process began it."""
        ...

    async def last_beat(self) -> Beat | None:
        """The beat that was begun last."""
        ...
