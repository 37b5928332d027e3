"""Looks whether this host has the addresses that the configuration names: they come and go with its networks.

To move to others is the work of a new process, see `places`. What is decided here is when one is worth it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from ipaddress import ip_address, ip_network
from typing import TypeAlias

import trio
from attrs import define, field, frozen

from xopc.config.bind import Binding
from xopc.config.resolve import Resolved
from xopc.gateway.orders import Restart
from xopc.gateway.places import Places
from xopc.gateway.problems import ADDRESSES, Problems
from xopc_supervisor import contract
from xopc_supervisor.contract import Address

LOOK_SECONDS = 2
GONE_SECONDS = 30
"""After which an address counts as gone. To wait costs little: its socket works again as soon as it is back."""
AGAIN_SECONDS = 60
"""From one attempt to move to the next, where the first did not succeed; doubled each time."""
LONGEST_PAUSE_SECONDS = 15 * 60

Look: TypeAlias = Callable[[Resolved, Mapping[str, str]], Awaitable[Binding]]


@frozen
class Finding:
    """What is to be said of where the gateway listens, and done about it."""

    problem: str | None = None
    degrades: bool = True
    move_after: float | None = None
    """Seconds for which it has to stay like that before the gateway moves; None where it does not."""


def judge(places: Places, found: Binding, wanted: tuple[Address, ...], *, can_move: bool) -> Finding:
    """What follows where the gateway serves at `places`, and should at `wanted`, the addresses of `found`."""
    lack = found.lack
    here, there = places.addresses[0].host, wanted[0].host
    if wanted == places.addresses and lack is None:
        return Finding()
    if lack is not None and (wanted == places.addresses or ip_address(here) not in ip_network(lack.address)):
        # Serving where the configuration said before is better than at loopback, which only stands in.
        if not lack.required:
            return Finding()
        cure = "It moves there as soon as there is one" if can_move else "Stop and start it when there is one"
        what = f"because there is {lack.problem.what} ({lack.problem.path})"
        return Finding(f"The gateway listens at {here}, {what}. {cure}")
    if places.problem is not None:
        return Finding(places.problem, move_after=AGAIN_SECONDS if can_move else None)
    if lack is None:
        port, other = places.addresses[0].port, wanted[0].port
        where = there if port == other else f"{there} port {other}"
        cure = "It moves there by itself" if can_move else "Stop and start it"
        return Finding(f"The gateway should listen at {where}. {cure}", move_after=0 if can_move else None)
    what = f"This host has lost {here}, the address that the gateway listens at"
    if can_move:
        what = f"{what}. If it is not back within {GONE_SECONDS} s, the gateway listens at {there} until it is"
    return Finding(what, degrades=lack.required, move_after=GONE_SECONDS if can_move else None)


@define
class Patience:
    """Tells when to move: when what was found has lasted long enough, and later again, ever more rarely."""

    _wanted: tuple[Address, ...] | None = field(default=None, init=False)
    _due: float = field(default=0, init=False)
    _pause: float = field(default=AGAIN_SECONDS, init=False)

    def is_over(self, finding: Finding, wanted: tuple[Address, ...], now: float) -> bool:
        """Whether to move to `wanted` now, `now` in seconds of a clock that does not jump."""
        if finding.move_after is None:
            self._wanted = None
            return False
        if wanted != self._wanted:
            self._wanted, self._due, self._pause = wanted, now + finding.move_after, AGAIN_SECONDS
        if now < self._due:
            return False
        self._due = now + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        return True


async def look(resolved: Resolved, environ: Mapping[str, str]) -> Binding:
    """The addresses of a configuration on this host as it is now.

    Raises:
        OSError: the host does not tell.
    """
    return await trio.to_thread.run_sync(resolved.look_again, environ)


async def watch_addresses(
    places: Places,
    environ: Mapping[str, str],
    problems: Problems,
    give: Callable[[Restart], None],
    resolved: Callable[[], Resolved],
    *,
    look: Look = look,
    task_status: trio.TaskStatus[None],
) -> None:
    """Report what is wrong with `places`, and give the order to reload where that moves the gateway to better ones.

    `resolved` is the configuration that decides. Started when it was looked once; ends when cancelled.
    """
    find = partial(judge, places, can_move=not contract.is_on(environ.get(contract.NO_RESPAWN_VARIABLE)))
    patience = Patience()

    async def attend() -> None:
        with suppress(OSError):  # for want of descriptors, perhaps: what was found last goes on to count
            found = await look(resolved(), environ)
            wanted = found.addresses(resolved().port)
            finding = find(found, wanted)
            if finding.problem is None:
                problems.clear(ADDRESSES)
            else:
                problems.report(ADDRESSES, finding.problem, degrades=finding.degrades)
            if patience.is_over(finding, wanted, trio.current_time()):
                move = f"from {places.addresses[0].host} to {wanted[0].host}"
                give(Restart(contract.IN_PROCESS, f"the addresses of this host changed: {move}", is_due=True))

    await attend()
    task_status.started()
    while True:
        await trio.sleep(LOOK_SECONDS)
        await attend()
