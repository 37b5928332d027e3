"""A generation: all that depends on the configuration. An in-process restart replaces it whole."""

from __future__ import annotations

import trio
from attrs import define, field

from xopc.config.resolve import Resolved
from xopc.core.tasks import Branch, utc_now


@define(eq=False)
class Generation:
    """One running generation."""

    number: int
    """1 for the first of a process."""
    resolved: Resolved
    started: float = field(factory=trio.current_time)
    """Of trio's clock, seconds."""
    started_at: str = field(factory=utc_now)
    _scope: trio.CancelScope = field(factory=trio.CancelScope, repr=False)
    _ended: trio.Event = field(factory=trio.Event, repr=False)

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Live until ended: the parts of the generation are tasks below this one."""
        try:
            with self._scope:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._ended.set()

    async def end(self) -> None:
        """Cancel all of it, and wait until it is gone."""
        self._scope.cancel()
        await self._ended.wait()


async def start_generation(branch: Branch, number: int, resolved: Resolved) -> Generation:
    """Start a generation in `branch`, and return it when its first phase is done."""
    generation = Generation(number, resolved)
    await branch.start("generation", generation.run)
    branch.node.children[-1].restarts = number - 1
    return generation
