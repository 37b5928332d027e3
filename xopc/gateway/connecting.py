"""The channels of a generation connect in two phases, before the gateway listens and after, and each phase is logged.

connecting = Connecting(accounts, channels, settings, connections)
await connecting.begin(5)                 # prepare all, and connect those that do not wait
await connecting.end_phase_1(begin_sending)
await connecting.phase_2(begin_sending)   # once the gateway listens: the others
connecting.stop()                         # from a drain
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import structlog
import trio

from xopc.channels.accounts import Accounts
from xopc.channels.base import Channel
from xopc.channels.startup import (
    PHASE_1_MESSAGE,
    PHASE_2_MESSAGE,
    Phase1Times,
    Phase2Times,
    Startable,
    phase1_record,
    phase2_failure_record,
    phase2_record,
    plan_deferral,
)
from xopc.contracts.settings.file import GatewaySettings
from xopc.core.tasks import Branch

PHASE_2_SECONDS = 5
"""For the deferred channels, before the outbox begins to send. One that does not connect must not hold up the answers
of the others for long; its own can be sent before it has connected."""

log = structlog.get_logger("xopc.gateway")


class Connecting:
    """Connects the channels of one generation. The outbox begins to send when the last of them has tried."""

    def __init__(
        self, accounts: Accounts, channels: Mapping[str, Channel], settings: GatewaySettings, connections: Branch
    ) -> None:
        """`connections` is where accounts live."""
        self._accounts = accounts
        self._connections = connections
        self._clock = _Clock()
        self._enabled = {channel.id for channel in channels.values() if channel.accounts()}
        self._plan = plan_deferral(
            settings,
            [Startable(channel.id, channel.id in self._enabled, channel.is_deferred) for channel in channels.values()],
        )
        self._plan_ms = self._clock.lap()
        self._init_ms = self._start_ms = 0
        self._scope = trio.CancelScope()

    async def begin(self, seconds: float) -> None:
        """Prepare all channels, and connect those that do not wait until the gateway listens, for so long; then they go
        on in the background."""
        await self._accounts.init()
        self._init_ms = self._clock.lap()
        for warning in self._plan.warnings:
            log.warn(warning)
        now = self._enabled - set(self._plan.deferred)
        await self._accounts.start(self._connections, now, cap_seconds=seconds)
        self._start_ms = self._clock.lap()

    async def end_phase_1(self, begin_sending: Callable[[], Awaitable[None]]) -> None:
        """Begin to send, where no channel connects late, and tell how the phase went."""
        replay = None
        if not self._plan.deferred:
            self._clock.lap()
            await begin_sending()
            replay = self._clock.lap()
        times = Phase1Times(
            init=self._init_ms, plan=self._plan_ms, start=self._start_ms, replay=replay, total=self._clock.total()
        )
        log.info(PHASE_1_MESSAGE, **phase1_record(self._plan, times))

    async def phase_2(self, begin_sending: Callable[[], Awaitable[None]]) -> bool:
        """Connect what connects late, then begin to send, and tell how the phase went. False where a drain was quicker.

        Raises:
            Exception: it cannot be done; that is told, too.
        """
        clock = _Clock()
        deferred = replay = 0
        try:
            if self._plan.deferred:
                with self._scope:
                    await self._accounts.start(self._connections, self._plan.deferred, cap_seconds=PHASE_2_SECONDS)
                if self._scope.cancel_called:
                    return False
                deferred = clock.lap()
                await begin_sending()
                replay = clock.lap()
        except Exception as error:
            times = Phase2Times(deferred=deferred, replay=replay, total=clock.total())
            log.error(PHASE_2_MESSAGE, **phase2_failure_record(self._plan, times, error))
            raise
        times = Phase2Times(deferred=deferred, replay=replay, total=clock.total())
        log.info(PHASE_2_MESSAGE, **phase2_record(self._plan, times))
        return True

    def stop(self) -> None:
        """End all accounts, and begin no further one."""
        self._scope.cancel()
        self._connections.cancel()


class _Clock:
    """Milliseconds between the steps of a start."""

    def __init__(self) -> None:
        self._began = self._last = trio.current_time()

    def lap(self) -> int:
        """Since the last lap."""
        before, self._last = self._last, trio.current_time()
        return round((self._last - before) * 1000)

    def total(self) -> int:
        """Since the beginning."""
        return round((trio.current_time() - self._began) * 1000)
