"""What the gateway is told from outside, by signals and by its supervisor's words, as values in one channel."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TypeAlias

import trio
from attrs import frozen

from xopc.gateway.line import Line
from xopc_supervisor import contract


@frozen
class Stop:
    """Drain and exit."""

    reason: str
    is_restart: bool = False
    """The service manager starts the gateway again."""


@frozen
class Restart:
    """Load the configuration again and replace what depends on it, or the whole process."""

    mode: str
    """`in-process`, `respawn` or `reload` (see `xopc_supervisor.contract`)."""
    reason: str
    is_due: bool = False
    """A changed configuration asks for it, and nobody has to allow it."""


@frozen
class HandOver:
    """The successor stands by: drain, and leave everything to it."""

    reason: str
    heirloom_fd: int | None
    """Where idle connections go; None where it did not arrive. Whoever follows the order closes it."""


@frozen
class Declined:
    """There is no successor; go on."""

    why: str


Order: TypeAlias = Stop | Restart | HandOver | Declined

SIGNALS: dict[int, Order] = {
    signal.SIGTERM: Stop("SIGTERM"),
    signal.SIGINT: Stop("SIGINT"),
    signal.SIGUSR1: Restart(contract.IN_PROCESS, "SIGUSR1"),
    signal.SIGHUP: Restart(contract.RELOAD, "configuration reload (SIGHUP)"),
}
"""What a signal to the gateway itself means. Intents and installed versions are its supervisor's to look at."""


async def receive_orders(line: Line, give: Callable[[Order], None], *, task_status: trio.TaskStatus[None]) -> None:
    """Hand each order to `give` as it comes. Started when signals are caught; ends when cancelled."""
    with trio.open_signal_receiver(*SIGNALS) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_from_line, line, give)
            task_status.started()
            async for number in signals:
                give(SIGNALS[number])


async def _from_line(line: Line, give: Callable[[Order], None]) -> None:
    while (words := await line.hear()) is not None:
        for word, detail in words:
            head, _, rest = detail.partition(" ")
            if word == contract.STOP:
                is_restart = head == contract.RESTART
                give(Stop(rest if is_restart else detail or "the supervisor asked", is_restart))
            elif word == contract.RESTART:
                give(Restart(head, rest))
            elif word == contract.HAND_OVER:
                give(HandOver(detail, line.take_fd()))
            elif word == contract.DECLINED:
                give(Declined(detail))
    give(Stop("the supervisor is gone"))


class Orders:
    """The orders that wait. A stop goes before all restarts, and restarts of one mode that wait together are one."""

    def __init__(self) -> None:
        self.stop_given = trio.Event()
        """Set once a stop was given; what is under way may cut itself short."""
        self._waiting: list[Order] = []
        self._arrived = trio.Event()

    def give(self, order: Order) -> None:
        self._waiting.append(order)
        self._arrived.set()
        if isinstance(order, Stop):
            self.stop_given.set()

    async def take(self) -> Order:
        """The next order; waits for one."""
        while not self._waiting:
            self._arrived = trio.Event()
            await self._arrived.wait()
        order = next((order for order in self._waiting if isinstance(order, Stop)), self._waiting[0])
        self._waiting = [waiting for waiting in self._waiting if not _is_covered(waiting, order)]
        return order

    async def stop(self) -> Stop:
        """The next stop, whatever else arrives."""
        while True:
            order = await self.take()
            if isinstance(order, Stop):
                return order


def _is_covered(waiting: Order, order: Order) -> bool:
    """Whether following `order` does what `waiting` asks for. A second stop is not covered: it asks for haste."""
    if isinstance(order, Restart):
        return isinstance(waiting, Restart) and (waiting.mode, waiting.is_due) == (order.mode, order.is_due)
    return waiting is order
