"""Makes room for a gateway: whoever has its port or its lock is told to end, and killed when it does not.

Nobody is signalled before it is known that everybody who is in the way may be.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import IPv6Address, ip_address

import psutil
from attrs import define, field, frozen

from xopc.contracts.errors import Failure, XopcError
from xopc.service.identity import own_line, signal_target
from xopc.service.keeper import is_manager, keeper_of
from xopc.service.lockfile import Lock
from xopc.service.poll import attempts
from xopc.service.ports import Listener, PortStatus, PortUse, inspect

TERM_SECONDS = 0.7
"""From SIGTERM to SIGKILL."""
TOTAL_SECONDS = 2.0
"""From SIGTERM until it is given up."""
LOOK_SECONDS = 0.1


@define(eq=False)
class Occupant:
    """One program that is in the way."""

    process: psutil.Process
    """For a gateway its supervisor. Remembers when it started, so that no later process with its pid is signalled."""
    command: str | None
    is_gateway: bool
    family: set[psutil.Process] = field(factory=set[psutil.Process])
    """What is below a supervisor: it has to go too, for it holds the same sockets and the same lock."""

    def members(self) -> list[psutil.Process]:
        """The processes that have to end, those among them that were started meanwhile included."""
        if self.is_gateway:
            with suppress(psutil.Error):
                self.family.update(self.process.children(recursive=True))
        return [one for one in (self.process, *self.family) if _lives(one)]


@frozen
class Freed:
    """What was done."""

    killed: tuple[Occupant, ...]
    waited_ms: int
    escalated_to_sigkill: bool


def free(port: int, hosts: Iterable[str], lock: Lock, tell: Callable[[str], None]) -> Freed:
    """Make room for a gateway at `port` (0: any) of `hosts`, with the lock of its configuration.

    `tell` gets a sentence for each program that is about to be signalled, before it is. Blocks for 2 s at most.

    Raises:
        XopcError: one of them may not be signalled, in which case none was; or somebody is still there at the end.
    """
    wanted = tuple(hosts)
    occupants = _occupants(port, wanted, lock)
    if not occupants:
        return Freed((), 0, escalated_to_sigkill=False)
    for one in occupants:
        one.members()
        tell(_introduction(one, port))
    began = time.monotonic()
    for one in occupants:
        _signal(one.process, signal.SIGTERM)
    left = _wait(occupants, port, wanted, TERM_SECONDS)
    for one in left:
        # The supervisor first, so that it does not start anew what is killed next.
        for process in one.members():
            _signal(process, signal.SIGKILL)
    if left:
        _wait(occupants, port, wanted, TOTAL_SECONDS - (time.monotonic() - began))
    _check_free(port, wanted, occupants)
    return Freed(tuple(occupants), round((time.monotonic() - began) * 1000), escalated_to_sigkill=bool(left))


# ------------------------------------------------------------------ who it is


def _occupants(port: int, hosts: tuple[str, ...], lock: Lock) -> list[Occupant]:
    use = inspect(port) if port else PortUse(port, PortStatus.FREE)
    here = _in_the_way(use, hosts)
    if any(one.pid is None for one in here) or (use.status is PortStatus.BUSY and not use.listeners):
        what = "a process that this user may not see listens there"
        raise XopcError(Failure.FORBIDDEN, f"{what}. `sudo lsof -nP -iTCP:{port} -sTCP:LISTEN` names it.")
    found: dict[int, Occupant] = {}
    owners = _owners(lock)
    # Gateways first: a service manager that holds the socket as well is spoken of by the unit that it keeps.
    for one in sorted(here, key=lambda listener: listener.gateway_pid is None):
        pid = one.gateway_pid or one.pid
        known = {process.pid for occupant in found.values() for process in occupant.members()}
        if pid is not None and pid not in known:
            found |= _occupant(pid, one.command, is_gateway=one.gateway_pid is not None)
    for owner in owners:
        if owner not in found:
            found |= _occupant(owner, None, is_gateway=True)
    return list(found.values())


def _owners(lock: Lock) -> list[int]:
    """Who has the lock: the supervisor of the gateway, or the processes of a dead one."""
    pids = (lock.info.pid,) if lock.info is not None and lock.is_alive else lock.orphans
    targets = map(signal_target, pids)
    return [pid for pid in targets if pid is not None]


def _occupant(pid: int, command: str | None, *, is_gateway: bool) -> dict[int, Occupant]:
    """What is there to signal; nothing where it has just ended.

    Raises:
        XopcError: it must not be signalled.
    """
    if pid == 1 and is_gateway:
        raise XopcError(Failure.CONFLICT, "the gateway there is process 1: stop its container, or restart it")
    if is_manager(pid):
        what = f"the service manager (pid {pid}) itself holds the socket there"
        raise XopcError(Failure.CONFLICT, f"{what}: stop the unit that `systemctl list-sockets` names")
    if pid in own_line():
        raise XopcError(Failure.CONFLICT, f"this command runs inside of pid {pid}, which listens there")
    keeper = keeper_of(pid) if is_gateway else None
    if keeper is not None:
        what = f"{keeper.name} keeps the gateway there running (pid {pid}), and would start it again"
        raise XopcError(Failure.CONFLICT, f"{what}: {keeper.cure}")
    try:
        return {pid: Occupant(psutil.Process(pid), command, is_gateway)}
    except psutil.NoSuchProcess:
        return {}


def _introduction(one: Occupant, port: int) -> str:
    if one.is_gateway:
        return f"A gateway runs already (pid {one.process.pid}); it is stopped."
    return f"Port {port} is used by pid {one.process.pid}: {one.command or '?'}. It is stopped."


def _in_the_way(use: PortUse, hosts: tuple[str, ...]) -> list[Listener]:
    return [one for one in use.listeners if any(collide(one.host, host) for host in hosts)]


def collide(listening: str, wanted: str) -> bool:
    """Whether nobody can listen at `wanted` while somebody does at `listening`."""
    if listening in ("*", "::"):
        return True  # it may take connections of both families
    one, other = ip_address(listening.partition("%")[0]), ip_address(wanted.partition("%")[0])
    if isinstance(one, IPv6Address) and one.ipv4_mapped is not None:
        one = one.ipv4_mapped
    return one.version == other.version and (one == other or one.is_unspecified or other.is_unspecified)


# ------------------------------------------------------------------- its end


def _wait(occupants: list[Occupant], port: int, hosts: tuple[str, ...], seconds: float) -> list[Occupant]:
    """The occupants that are still in the way after `seconds`; returns as soon as there are none."""
    left = occupants
    for _ in attempts(max(0.0, seconds), first=LOOK_SECONDS / 2, longest=LOOK_SECONDS):
        listeners = {one.pid for one in _in_the_way(inspect(port), hosts)} if port else set[int | None]()
        left = [one for one in occupants if _is_in_the_way(one, listeners)]
        if not left:
            break
    return left


def _is_in_the_way(one: Occupant, listeners: set[int | None]) -> bool:
    """A gateway is until its last process has ended, for the lock; any other program while it listens."""
    return bool(one.members()) if one.is_gateway else _lives(one.process) and one.process.pid in listeners


def _check_free(port: int, hosts: tuple[str, ...], occupants: list[Occupant]) -> None:
    use = inspect(port) if port else PortUse(port, PortStatus.FREE)
    there = {one.pid: one.command for one in _in_the_way(use, hosts)}
    there |= {one.process.pid: one.command for one in occupants if one.is_gateway and one.members()}
    if there:
        names = ", ".join(f"pid {pid or '?'}: {command or '?'}" for pid, command in there.items())
        raise XopcError(Failure.CONFLICT, f"Port {port} still has listeners after force free ({names})")


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        pass  # it has ended by itself
    except psutil.AccessDenied as error:
        what = f"not permitted to signal pid {process.pid}: it belongs to another user"
        raise XopcError(Failure.FORBIDDEN, what) from error


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
