"""`xopc gateway stop`."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from attrs import frozen
from cyclopts import Parameter

from xopc.cli.gateway.target import Target, find_target
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import as_typed, fail, print_json, tell_not_running
from xopc.contracts.errors import Failure, XopcError
from xopc.service.managers.base import RuntimeStatus, ServiceManagerError
from xopc_supervisor import contract
from xopc_supervisor.contract import EXIT_OK, LockInfo

if TYPE_CHECKING:
    from xopc.cli.gateway.managed import Service
    from xopc.service.ports import PortUse

STOP_SECONDS = 8.0
"""A gateway drains for 5 s and is killed by its supervisor after 6."""
PORT_SECONDS = 1.0
DISABLE = "xopc gateway stop --disable"


@frozen
class Stopping:
    """One process of a gateway that has to end."""

    pid: int
    start_time: int | None


def stop(
    *,
    disable: Annotated[
        bool, Parameter(help="Keep its service from starting it again, until `xopc gateway service start`.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Stop the running gateway, and wait until it has ended.

    What is in flight may finish, for 5 seconds at most. A service is stopped by its manager, and comes back at the next
    login. Without a lock, the verified gateways that listen at the configured port are stopped; another program there
    is never touched.
    """
    from xopc.cli.gateway.managed import find_service

    target = find_target(config)
    try:
        service = find_service(target)
        if service is None or not service.is_kept:
            return stop_and_wait(target, as_json=as_json)
        return _stop_service(target, service, disable=disable, as_json=as_json)
    except XopcError as error:
        return fail(f"Gateway stop failed: {error.message}", as_json=as_json)
    except ServiceManagerError as error:
        return fail(f"Gateway stop failed: {error}", as_json=as_json)


def _stop_service(target: Target, service: Service, *, disable: bool, as_json: bool) -> int:
    """Have its manager stop it; a gateway that is not the manager's as well.

    Raises:
        ServiceManagerError: the manager did not.
        XopcError: nobody may be signalled.
    """
    from xopc.cli.gateway.managed import may_ask
    from xopc.service.intent import drop_intent

    if not may_ask(service):
        command = f"sudo systemctl {'disable --now' if disable else 'stop'} {service.manager.label}"
        raise ServiceManagerError(f"it is a service of the whole machine, which root stops: {command}")
    owner = target.owner
    if not disable and owner is not None and _is_hand_started(service, owner):
        return stop_and_wait(target, as_json=as_json, warnings=(service.by_hand(owner),))
    if owner is not None:
        drop_intent(target.paths.intent_path, owner.pid)
    if disable:
        service.manager.disable()
    elif service.runs(owner) or service.runtime.status is not RuntimeStatus.STOPPED:
        service.manager.stop()
    if owner is not None and not service.runs(owner):
        return stop_and_wait(target, as_json=as_json, warnings=(service.by_hand(owner),))
    ending = _await_end(_family(target))
    message = "Gateway stopped and disabled (will not respawn)." if disable else "Gateway stop signal sent."
    warnings = _left_behind(target, ending)
    hints = [] if disable else [f"It comes back at the next login. To keep it off: {DISABLE}"]
    if as_json:
        result = "stopping" if ending else "stopped"
        print_json({"ok": True, "result": result, "message": message, "warnings": warnings, "hints": hints})
        return EXIT_OK
    print(f"✅ {message}")
    for warning in warnings:
        print(f"⚠️  {warning}")
    for hint in hints:
        print(as_typed(f"💡 {hint}"))
    return EXIT_OK


def _is_hand_started(service: Service, owner: LockInfo) -> bool:
    """Whether the gateway is nobody's service, where the manager itself does not tell."""
    from xopc.service.keeper import keeper_of

    return service.runtime.status is RuntimeStatus.UNKNOWN and keeper_of(owner.pid) is None


def stop_and_wait(target: Target, *, as_json: bool, warnings: Sequence[str] = ()) -> int:
    """Stop what runs, and tell what came of it, with `warnings` first. Returns the exit code.

    Raises:
        XopcError: nobody may be signalled.
    """
    from xopc.service.identity import send
    from xopc.service.intent import drop_intent

    pids = _whom_to_signal(target)
    if not pids:
        return tell_not_running(as_json=as_json)
    kept = _kept_running(pids)
    ending = [Stopping(pid, contract.start_time(pid)) for pid in pids]
    ending += [process for process in _family(target) if process.pid not in pids]
    for pid in pids:
        drop_intent(target.paths.intent_path, pid)
        try:
            send(pid, signal.SIGTERM)
        except XopcError as error:
            if error.failure is not Failure.NOT_FOUND:  # it has ended by itself in this moment
                raise
    noun = "process" if len(pids) == 1 else "processes"
    place = f" on port {target.port}" if target.port else ""
    message = f"Gateway stop signal sent to unmanaged {noun}{place}: {', '.join(map(str, pids))}."
    if not as_json:
        print(f"✅ {message}", flush=True)
    ending = _await_end(ending)
    warnings = [*warnings, *kept, *_left_behind(target, ending)]
    if as_json:
        result = "stopping" if ending else "stopped"
        print_json({"ok": True, "result": result, "message": message, "warnings": warnings})
    else:
        for warning in warnings:
            print(f"⚠️  {warning}")
        if not ending:
            print("✅ Gateway stopped.")
    return EXIT_OK


def _family(target: Target) -> list[Stopping]:
    """The processes of the gateway that has the lock."""
    owner = target.owner
    if owner is None:
        return []
    child = [Stopping(owner.child_pid, owner.child_start_time)] if owner.child_pid is not None else []
    return [Stopping(owner.pid, owner.start_time), *child]


def _await_end(ending: list[Stopping]) -> list[Stopping]:
    """Those that are still there when they have had their time."""
    from xopc.service.poll import attempts

    for _ in attempts(STOP_SECONDS, first=0.02, longest=0.2):
        ending = [process for process in ending if contract.is_alive(process.pid, process.start_time)]
        if not ending:
            break
    return ending


def _whom_to_signal(target: Target) -> tuple[int, ...]:
    """The supervisor that holds the lock; else the gateways at the port.

    Raises:
        XopcError: only somebody else listens there, or the port is not known.
    """
    from xopc.service.ports import PortStatus, inspect

    info = target.lock.info
    if info is not None and target.lock.is_alive:
        return (info.pid,)
    if target.lock.orphans:
        return target.lock.orphans
    if target.port is None:
        raise target.config_error or XopcError(Failure.NOT_FOUND, "no gateway runs, and gateway.port is not known")
    use = inspect(target.port)
    if use.gateways:
        return _of_this_configuration(target, use)
    if use.status is not PortStatus.BUSY:
        return ()
    pids = sorted({listener.pid for listener in use.strangers if listener.pid is not None})
    if not pids:
        raise XopcError(Failure.FORBIDDEN, f"port {use.port} is used by a process that this user may not see")
    names = ", ".join(map(str, pids))
    raise XopcError(Failure.CONFLICT, f"refusing to signal non-gateway process pid {names}")


def _of_this_configuration(target: Target, use: PortUse) -> tuple[int, ...]:
    """Those at the port that are not known to be of another configuration.

    Raises:
        XopcError: all of them are.
    """
    from xopc.cli.gateway.naming import command_for
    from xopc.service.identity import launch_of

    launches = {pid: launch_of(pid) for pid in use.gateways}
    others = {
        pid: command_for(launch, "gateway stop", target.environ)
        for pid, launch in launches.items()
        if launch is not None and launch.lock_path != str(target.paths.lock_path)
    }
    if own := tuple(pid for pid in use.gateways if pid not in others):
        return own
    pids = ", ".join(map(str, others))
    cure = " && ".join(dict.fromkeys(others.values()))
    what = f"the gateway at port {use.port} (pid {pids}) has another configuration"
    raise XopcError(Failure.CONFLICT, f"{what}. To stop that one: {cure}")


def _kept_running(pids: tuple[int, ...]) -> list[str]:
    """What a service manager will do about it."""
    from xopc.service.keeper import keeper_of

    keepers = {pid: keeper_of(pid) for pid in pids}
    return [
        f"{keeper.name} keeps this gateway running (pid {pid}), and may start it again: {keeper.cure}."
        for pid, keeper in keepers.items()
        if keeper is not None
    ]


def _left_behind(target: Target, ending: list[Stopping]) -> list[str]:
    if ending:
        pids = ", ".join(str(process.pid) for process in ending)
        return [f"Gateway is still stopping after {STOP_SECONDS:g} s (pid {pids}). See `xopc gateway logs`."]
    return _who_has_the_port(target.port) if target.port else []


def _who_has_the_port(port: int) -> list[str]:
    from xopc.service.poll import attempts
    from xopc.service.ports import inspect

    listeners = inspect(port).listeners
    for _ in attempts(PORT_SECONDS, first=0.02, longest=0.2):
        # A process counts as ended a moment before its sockets are closed; they are nobody's then.
        if all(listener.pid is not None for listener in listeners):
            break
        listeners = inspect(port).listeners
    return [f"Port {port} is now used by pid {one.pid or '?'}." for one in listeners]
