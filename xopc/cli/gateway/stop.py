"""`xopc gateway stop`."""

from __future__ import annotations

import signal

from attrs import frozen

from xopc.cli.gateway.target import Target, find_target
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import fail, print_json, tell_not_running
from xopc.contracts.errors import Failure, XopcError
from xopc_supervisor import contract
from xopc_supervisor.contract import EXIT_OK

STOP_SECONDS = 8.0
"""A gateway drains for 5 s and is killed by its supervisor after 6."""
PORT_SECONDS = 1.0


@frozen
class Stopping:
    """One process of a gateway that has to end."""

    pid: int
    start_time: int | None


def stop(*, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Stop the running gateway, and wait until it has ended.

    What is in flight may finish, for 5 seconds at most. Without a lock, the verified gateways that listen at the
    configured port are stopped; another program there is never touched.
    """
    try:
        return stop_and_wait(find_target(config), as_json=as_json)
    except XopcError as error:
        return fail(f"Gateway stop failed: {error.message}", as_json=as_json)


def stop_and_wait(target: Target, *, as_json: bool) -> int:
    """Stop what runs, and tell what came of it. Returns the exit code.

    Raises:
        XopcError: nobody may be signalled.
    """
    from xopc.service.identity import send
    from xopc.service.poll import attempts

    pids = _whom_to_signal(target)
    if not pids:
        return tell_not_running(as_json=as_json)
    kept = _kept_running(pids)
    ending = [Stopping(pid, contract.start_time(pid)) for pid in pids]
    if target.owner is not None and target.owner.child_pid is not None:
        ending.append(Stopping(target.owner.child_pid, target.owner.child_start_time))
    for pid in pids:
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
    for _ in attempts(STOP_SECONDS, first=0.02, longest=0.2):
        ending = [process for process in ending if contract.is_alive(process.pid, process.start_time)]
        if not ending:
            break
    warnings = [*kept, *_left_behind(target, ending)]
    if as_json:
        result = "stopping" if ending else "stopped"
        print_json({"ok": True, "result": result, "message": message, "warnings": warnings})
    else:
        for warning in warnings:
            print(f"⚠️  {warning}")
        if not ending:
            print("✅ Gateway stopped.")
    return EXIT_OK


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
    if use.gateways or use.status is not PortStatus.BUSY:
        return use.gateways
    pids = sorted({listener.pid for listener in use.strangers if listener.pid is not None})
    if not pids:
        raise XopcError(Failure.FORBIDDEN, f"port {use.port} is used by a process that this user may not see")
    names = ", ".join(map(str, pids))
    raise XopcError(Failure.CONFLICT, f"refusing to signal non-gateway process pid {names}")


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
