"""How a gateway process ends: for good, for a successor, or because a part of it is stuck."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import IntEnum
from functools import partial

import structlog
import trio
from attrs import frozen

from xopc.contracts.api.status import HealthStatus, RestartKind
from xopc.core.hub import Hub
from xopc.gateway.drain import drain, force_exit, leave_at_second_stop
from xopc.gateway.generation import Generation
from xopc.gateway.heirloom import open_heirloom
from xopc.gateway.line import Line
from xopc.gateway.orders import HandOver, Orders, Restart, Stop
from xopc.gateway.reload import Reloader
from xopc.gateway.succession import Succession
from xopc.gateway.vitals import Vitals
from xopc.server.wire.gate import Gate
from xopc.server.wire.serve import Heir, Server
from xopc_supervisor import contract

RESTART_EXPECTED_MS = 1500
"""What subscribers are told of how long a restart takes."""
STUCK_SECONDS = 1.0
"""After which a process that is stuck ends."""

log = structlog.get_logger("xopc.gateway")


class Outcome(IntEnum):
    """How a gateway ends, as its exit code."""

    STOP = contract.EXIT_OK
    RESPAWN = contract.EXIT_RESTART


def say_goodbye(hub: Hub, reason: str, *, for_good: bool = True) -> None:
    """Part from the subscribers of broadcast events; for good when the process ends."""
    expected_ms = RESTART_EXPECTED_MS if reason == "restarting" else None
    hub.close(reason, expected_ms, for_good=for_good)


@frozen(eq=False)
class Departure:
    """What is left to do when no order is followed any more. Each way returns when the process may end."""

    line: Line
    orders: Orders
    succession: Succession
    reloader: Reloader
    server: Server
    gate: Gate
    hub: Hub
    vitals: Vitals
    generation: Callable[[], Generation]
    """The running one."""
    record: Callable[[RestartKind, str, int], Awaitable[None]]
    """Stores the cause of the restart that ends a generation."""
    outlived: bool
    """Whether the listening sockets stay open without this process and its supervisor, for whoever is started next."""

    async def stop(self, order: Stop) -> Outcome:
        """Drain, and end."""
        force_exit(Outcome.STOP)
        log.info("Stopping.", reason=order.reason)
        self.line.say(contract.STOPPING)
        await self.reloader.pause()
        if order.is_restart:
            # Who is connected is served, and so are newcomers, unless they wait at sockets that outlive this process:
            # the next one begins turns, which this one does no more.
            self.vitals.status = HealthStatus.RESTARTING
            say_goodbye(self.hub, "restarting")
            await self.record(RestartKind.SERVICE, order.reason, self.generation().number)
        else:
            self.vitals.status = HealthStatus.STOPPING
            if not self.outlived:  # else a manager may be about to start it again, and does not tell
                self.gate.shut()
            say_goodbye(self.hub, "stopping")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(leave_at_second_stop, self.orders)
            await drain(partial(self._drain, accepts=not self.outlived))
            nursery.cancel_scope.cancel()
        return Outcome.STOP

    async def hand_over(self, order: HandOver) -> Outcome:
        """Drain, and leave the sockets and the idle connections to the new process: whoever connects waits for it."""
        force_exit(Outcome.RESPAWN)
        log.info("Handing over to a new process.", reason=order.reason)
        await self.reloader.pause()
        self.vitals.status = HealthStatus.RESTARTING
        say_goodbye(self.hub, "restarting")
        with open_heirloom(order.heirloom_fd) as heir:
            await drain(partial(self._drain, heir))
        return Outcome.RESPAWN

    async def leave(self, order: Restart) -> Outcome:
        """Part of this process is stuck: let a new one take over, and do not wait for what does not end."""
        await self.reloader.pause()
        self.succession.wish(order)
        say_goodbye(self.hub, "restarting")
        answer = await self.succession.come()
        if isinstance(answer, Stop):
            return await self.stop(answer)
        force_exit(Outcome.RESPAWN, STUCK_SECONDS)
        with open_heirloom(answer.heirloom_fd if answer else None) as heir:
            await self.server.drain(heir)
        return Outcome.RESPAWN

    async def _drain(self, heir: Heir | None = None, *, accepts: bool = True) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.generation().drain)
            await self.server.drain(heir, accepts=accepts)
