"""How one gateway process gives way to another: the wish for a successor, and what happens until it stands by."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
import trio

from xopc.config.resolve import Resolved
from xopc.gateway import problems
from xopc.gateway.line import Line
from xopc.gateway.orders import Declined, HandOver, Orders, Restart, Stop
from xopc.gateway.problems import Problems
from xopc_supervisor import contract

SUCCESSOR_SECONDS = 3.0
"""For a new process to stand by, when this one is stuck."""

log = structlog.get_logger("xopc.gateway")


def moves(before: Resolved, after: Resolved) -> bool:
    """Whether the sockets of one configuration are not those of the other: a new process has to bind them."""
    return after.binding.addresses(after.port) != before.binding.addresses(before.port)


def may_be_succeeded(environ: Mapping[str, str]) -> bool:
    """Whether the supervisor may start a new process at all."""
    return not contract.is_on(environ.get(contract.NO_RESPAWN_VARIABLE))


class Succession:
    """The one successor that may be on its way."""

    def __init__(self, line: Line, orders: Orders, problems: Problems) -> None:
        self._line = line
        self._orders = orders
        self._problems = problems
        self._left_out: Restart | None = None
        """A restart that the successor makes needless, if it comes."""
        self.is_awaited = False
        """Whether a new process was wished for, and has neither come nor been declined."""

    def wish(self, order: Restart) -> None:
        """Ask for a new process; this one serves until it stands by."""
        log.info("A new process is to take over.", reason=order.reason)
        self.is_awaited = True
        self._line.say(contract.RESTART, contract.RESPAWN, order.reason)

    def leave_to_it(self, order: Restart) -> None:
        """The successor does what `order` asks for, too; if none comes, the order is given again."""
        log.info("This restart is left to the new process that is on its way.", reason=order.reason)
        self._left_out = order

    def decline(self, why: str) -> None:
        """There is none; go on."""
        what = f"A new process could not take over, and the one before goes on: {why}"
        self._problems.report(problems.HAND_OVER, what, degrades=False, happens=True)
        self.is_awaited = False
        if self._left_out is not None:
            self._orders.give(self._left_out)
            self._left_out = None

    async def come(self) -> HandOver | Stop | None:
        """The successor's hand-over, or a stop that was quicker; None where neither comes in `SUCCESSOR_SECONDS`."""
        with trio.move_on_after(SUCCESSOR_SECONDS):
            while True:
                match await self._orders.take():
                    case HandOver() | Stop() as order:
                        return order
                    case Declined():
                        return None
                    case _:
                        pass
        return None
