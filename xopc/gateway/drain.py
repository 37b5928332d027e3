"""The bounds of a graceful end: 5 seconds for what is in flight, then the tree is cancelled, then the process goes."""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable

import structlog
import trio

from xopc.gateway.orders import Orders
from xopc_supervisor import contract

DRAIN_SECONDS = 5.0
"""What is in flight may finish."""
FORCE_SECONDS = 5.5
"""Whoever ignores the cancellation (a stuck thread) ends with the process; the supervisor kills at 6.0 s."""
HASTE_SECONDS = 1.0
"""A second stop within this time is the first one again."""
LINGER_SECONDS = 1.0
"""How much longer than its drain a generation may live before its restart becomes a respawn."""

log = structlog.get_logger("xopc.gateway")


async def drain(part: Callable[[], Awaitable[None]], *, cut: trio.Event | None = None) -> bool:
    """Let `part` finish, for `DRAIN_SECONDS` or until `cut` is set; False when it did not."""
    finished = False
    with trio.move_on_after(DRAIN_SECONDS) as limit:
        finished = await unless(trio.Event() if cut is None else cut, part)
    if limit.cancelled_caught:
        log.warn("Requests were still in flight at the end of the drain and are cut.", forced=True)
    return finished


async def unless(cut: trio.Event, part: Callable[[], Awaitable[None]]) -> bool:
    """Let `part` finish; False where `cut` was set before, which cancels it."""
    finished = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_when_set, cut, nursery.cancel_scope)
        await part()
        finished = True
        nursery.cancel_scope.cancel()
    return finished


async def leave_at_second_stop(orders: Orders) -> None:
    """Exit at once when a stop comes again: whoever asks twice does not want to wait.

    One who tells both processes at once, as a manager may, has asked once.
    """
    began = trio.current_time()
    again = await orders.stop()
    while trio.current_time() - began < HASTE_SECONDS:
        again = await orders.stop()
    log.warn("Stopping without waiting.", reason=again.reason, forced=True)
    os._exit(contract.EXIT_OK)


async def _cancel_when_set(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


def force_exit(code: int, seconds: float = FORCE_SECONDS) -> None:
    """End the process with `code` after `seconds`, whatever it is doing, unless it has ended by then."""
    timer = threading.Timer(seconds, _exit, [code])
    timer.daemon = True
    timer.start()


def _exit(code: int) -> None:
    log.warn("The gateway did not end in time and leaves without waiting.", forced=True)
    os._exit(code)
