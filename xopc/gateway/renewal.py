"""One generation gives way to the next, in the same process: requests wait at the gate, and nothing else notices."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import structlog
import trio
from attrs import frozen

from xopc.config.resolve import Flags, Resolved
from xopc.config.secrets.references import Secrets
from xopc.config.setup import prepare
from xopc.contracts.api.status import HealthStatus, RestartKind
from xopc.contracts.errors import ConfigError
from xopc.core.hub import Hub
from xopc.core.tasks import Branch
from xopc.gateway import problems
from xopc.gateway.departure import say_goodbye
from xopc.gateway.drain import LINGER_SECONDS, drain, unless
from xopc.gateway.generation import Generation, Life, start_generation
from xopc.gateway.line import Line
from xopc.gateway.loss import refuse_lost_keys
from xopc.gateway.memory import collect_generation
from xopc.gateway.orders import Orders, Restart
from xopc.gateway.problems import Problems
from xopc.gateway.succession import Succession, may_be_succeeded
from xopc.gateway.vitals import Vitals
from xopc.server.wire.gate import Gate
from xopc_supervisor import contract
from xopc_supervisor.contract import Address

CONNECT_SECONDS = 0.5
"""For a channel to connect before requests are let in again: they have waited through the drain already."""

log = structlog.get_logger("xopc.gateway")


@frozen(eq=False)
class Renewal:
    """What it takes to replace the generation."""

    environ: Mapping[str, str]
    flags: Flags
    addresses: tuple[Address, ...]
    """Those that the sockets of this process are for."""
    line: Line
    orders: Orders
    problems: Problems
    succession: Succession
    gate: Gate
    hub: Hub
    vitals: Vitals
    branch: Branch
    """Where generations live."""
    life: Life
    generation: Callable[[], Generation]
    """The running one."""
    let_in: Callable[[], None]
    """Lets requests through to the running one."""
    take_over: Callable[[Generation], Awaitable[None]]
    """Lets requests through to a new one, and tells everybody."""
    record: Callable[[RestartKind, str, int, int], Awaitable[None]]
    """Stores the cause of the restart that begins a generation, and the milliseconds that it took."""

    async def renew(self, order: Restart) -> bool:
        """Replace the generation; False when the old one does not end, so that only a new process helps.

        What the new one needs is read before, while the old one serves. A configuration that does not validate, or a
        key that is lost, changes nothing: the old generation goes on. So it does where a stop comes meanwhile.
        """
        found = await self._read_again(order)
        if found is None:
            return True
        resolved, keys = found
        if resolved.addresses != self.addresses and may_be_succeeded(self.environ):
            self.succession.wish(order)
            return True
        self.problems.clear(problems.HAND_OVER)
        began = trio.current_time()
        log.info("Restarting in this process.", reason=order.reason)
        self.line.say(contract.RESTART, contract.IN_PROCESS, order.reason)
        self.vitals.status = HealthStatus.RESTARTING
        self.gate.close()
        say_goodbye(self.hub, "restarting", for_good=False)
        await drain(self._drain, cut=self.orders.stop_given)
        if self.orders.stop_given.is_set():
            self.let_in()  # who waits is served by the old one, unless nobody is to be served any more
            return True
        self.gate.evict()
        if not await self._end():
            log.error("The old generation does not end (a stuck thread?); a new process takes over.")
            return False
        number = self.generation().number + 1
        generation = await start_generation(
            self.branch, number, resolved, self.life, keys, connect_seconds=CONNECT_SECONDS
        )
        duration_ms = round((trio.current_time() - began) * 1000)
        await self.record(RestartKind.IN_PROCESS, order.reason, number, duration_ms)
        await self.take_over(generation)
        await generation.begin_phase_2()
        collect_generation()
        log.info("Restarted.", reason=order.reason, duration_ms=duration_ms, generation=number)
        return True

    async def _read_again(self, order: Restart) -> tuple[Resolved, Secrets] | None:
        """The configuration, and the keys of its `models.json`; None where the generation goes on as it was."""
        generation = self.generation()
        found: tuple[Resolved, Secrets] | None = None

        async def read() -> None:
            nonlocal found
            try:
                resolved = await trio.to_thread.run_sync(prepare, self.environ, self.flags, abandon_on_cancel=True)
                keys = await generation.look_up_keys(resolved, anew=True)
                refuse_lost_keys(generation.keys, keys, resolved)
                found = resolved, keys
            except (ConfigError, OSError) as error:
                self._refuse(order, error)

        await unless(self.orders.stop_given, read)
        return found

    def _refuse(self, order: Restart, error: ConfigError | OSError) -> None:
        refusal = self.generation().resolved.refusal
        what = f"A restart ({order.reason}) was refused, and the gateway goes on as it was: {error}"
        what = what if refusal is None else f"{what}. {refusal}"
        self.problems.report(problems.CONFIGURATION, what, degrades=refusal is not None, happens=True)

    async def _drain(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.generation().drain)
            await self.gate.idle()

    async def _end(self) -> bool:
        """Whether all of the old generation is gone within `LINGER_SECONDS`: its tasks, and the requests inside it."""
        with trio.move_on_after(LINGER_SECONDS):
            await self.generation().end()
            await self.gate.idle()
            return True
        return False
