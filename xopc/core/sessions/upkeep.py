"""What sessions need beside their turns: when they were opened is noted, and what is too old or too much is forgotten.

A session is opened far more often than it is written in, and reading must not wait for a disk. So accesses are gathered
in memory and stored together, some seconds late; a process that dies loses those.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
import trio
from structlog.typing import FilteringBoundLogger

from xopc.contracts.settings.routing import SessionRetention
from xopc.core.hub import Hub
from xopc.core.leaps import WallClock
from xopc.storage.base import StorageError
from xopc.storage.path.sessions import PruneQuery, SessionStorage

GATHER_SECONDS = 2.0
"""From the first access to the commit of all that came with it."""
FLUSH_SECONDS = 1.0
"""For the last of them, when the gateway ends."""
FIRST_PRUNE_SECONDS = 60.0
PRUNE_SECONDS = 3600.0
BATCH = 50
"""Sessions in one commit: no message has to wait for long behind it."""

_log: FilteringBoundLogger = structlog.get_logger("xopc.sessions")


class Upkeep:
    """Looks after the sessions of one generation."""

    def __init__(
        self,
        storage: SessionStorage,
        hub: Hub,
        retention: Callable[[], SessionRetention],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`retention` gives what is set now; `clock` seconds since the epoch."""
        self._storage = storage
        self._hub = hub
        self._retention = retention
        self._clock = clock
        self._accesses: dict[str, float] = {}
        self._accessed = trio.Event()

    def note_access(self, session_key: str) -> None:
        """Somebody has opened a session just now."""
        self._accesses[session_key] = self._clock()
        self._accessed.set()

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Store accesses and prune, until cancelled; then what was gathered is stored, if that is quick."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._store_accesses)
                nursery.start_soon(self._prune_now_and_then)
                task_status.started()
        finally:
            with trio.move_on_after(FLUSH_SECONDS, shield=True):
                await self._flush()

    async def prune(self, query: PruneQuery) -> list[str]:
        """Forget the sessions that a query names, and tell which they were.

        *Cancellation*: what is forgotten stays forgotten.

        Raises:
            StorageError: some may be forgotten, the others are not.
        """
        pruned: list[str] = []
        prunable = await self._storage.prunable_sessions(query)
        for start in range(0, len(prunable), BATCH):
            gone = await self._storage.prune_sessions(prunable[start : start + BATCH], query)
            pruned += gone
            for key in gone:
                self._hub.publish("session.deleted", {"key": key})
        return pruned

    async def _store_accesses(self) -> None:
        while True:
            await self._accessed.wait()
            await trio.sleep(GATHER_SECONDS)
            await self._flush()

    async def _flush(self) -> None:
        accesses, self._accesses = self._accesses, {}
        self._accessed = trio.Event()
        if accesses:
            try:
                await self._storage.touch_sessions(list(accesses.items()))
            except StorageError as error:
                _log.warn("When sessions were opened could not be stored.", error=str(error))

    async def _prune_now_and_then(self) -> None:
        clock = WallClock(self._clock)
        await trio.sleep(FIRST_PRUNE_SECONDS)
        leaps = 0
        while True:
            now, before, leaps = clock.now(), leaps, clock.leaps
            if leaps == before:  # a clock that was just set may be set right again before the next time
                await self._prune_by_settings(now)
            await trio.sleep(PRUNE_SECONDS)

    async def _prune_by_settings(self, now: float) -> None:
        retention = self._retention()
        queries: list[PruneQuery] = []
        if retention.prune_after_ms is not None:
            queries.append(PruneQuery(unused_since=now - retention.prune_after_ms / 1000))
        if retention.max_entries is not None:
            queries.append(PruneQuery(keep_newest=retention.max_entries))
        for query in queries:
            try:
                pruned = await self.prune(query)
            except StorageError as error:
                _log.error("Sessions could not be pruned.", error=str(error))
                return
            if pruned:
                _log.info("Sessions were pruned, as session.storage says.", count=len(pruned))
