"""`xopc gateway restart`."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Annotated

from attrs import evolve
from cyclopts import Parameter

from xopc.cli.gateway.restarting import LOGS, Request, conclude, mark_of, tell, watch
from xopc.cli.gateway.target import Target, find_target
from xopc.cli.options import ConfigOption, DurationOption, JsonOption
from xopc.cli.output import fail, sentence, tell_not_running
from xopc.contracts.errors import Failure, XopcError
from xopc.service.managers.base import ServiceManagerError
from xopc_supervisor.contract import (
    EXIT_USAGE,
    IN_PROCESS,
    NO_RESPAWN_VARIABLE,
    RESPAWN,
    LockInfo,
)

if TYPE_CHECKING:
    from xopc.service.ports import PortUse

PICK_UP_SECONDS = 1.5
DISABLED = "Gateway restart is disabled in config (commands.restart=false); unmanaged SIGUSR1 restart would be ignored"
ENDING = ("stopping", "ended")


def restart(
    *,
    wait: Annotated[DurationOption | None, Parameter(help="Wait until it is healthy, for so long: 30s.")] = None,
    as_json: JsonOption = False,
    reason: Annotated[str, Parameter(help="Recorded as the cause; at most 200 characters.")] = "xopc gateway restart",
    respawn: Annotated[bool, Parameter(help="Replace the process too, not only what runs in it.")] = False,
    expect_version: Annotated[
        str | None, Parameter(help="With --wait: fail unless this version runs afterwards.")
    ] = None,
    config: ConfigOption = None,
) -> int:
    """Restart the running gateway; no client is refused meanwhile.

    It reads its configuration again. Without --wait the command returns as soon as the gateway has taken the request. A
    service is restarted by its manager, which replaces the process.
    """
    if expect_version is not None and wait is None:
        message = "--expect-version needs --wait, which looks what runs afterwards: --wait 30s"
        print(f"xopc gateway restart: {message}", file=sys.stderr)
        return EXIT_USAGE
    request = Request(RESPAWN if respawn else IN_PROCESS, reason, wait, expect_version, as_json)
    try:
        return _restart(find_target(config), request)
    except ServiceManagerError as error:
        return fail(f"Gateway restart failed: {error}", as_json=as_json, hints=[LOGS])
    except XopcError as error:
        return fail(f"Gateway restart failed: {error.message}", as_json=as_json)
    except BrokenPipeError:
        raise
    except OSError as error:
        return fail(f"Gateway restart failed: {sentence(error)}", as_json=as_json)


def _restart(target: Target, request: Request) -> int:
    from xopc.cli.gateway.managed import find_service, may_ask
    from xopc.cli.gateway.restart_service import restart_service
    from xopc.service.managers.find import in_scope

    service = find_service(target)
    if service is not None and service.is_kept and service.runs(target.owner) and may_ask(service):
        return restart_service(target, service, request)
    if service is not None and target.owner is not None and not service.runs(target.owner):
        now = target.now()
        if now.owner is None or now.owner.pid != target.owner.pid:
            # Somebody else has it restarted, too, and it was replaced between the two looks.
            return _restart(now, request)
        request = evolve(request, warnings=(*request.warnings, service.by_hand(target.owner)))
    if target.resolved is not None and not target.resolved.settings.commands.restart:
        return fail(DISABLED, as_json=request.as_json)
    owner = target.owner
    if owner is None:
        _refuse_what_listens(target)
        start = in_scope(service.manager, "xopc gateway service start") if service else "xopc gateway"
        return tell_not_running(start, as_json=request.as_json)
    if owner.state is None:
        # It does not handle SIGUSR1 yet, which would end it.
        raise XopcError(Failure.UNAVAILABLE, f"the gateway (pid {owner.pid}) is still starting: try again")
    if owner.state in ENDING:
        what = f"the gateway (pid {owner.pid}) is stopping: start it afterwards with `xopc gateway`"
        raise XopcError(Failure.UNAVAILABLE, what)
    if request.wait_seconds is None:
        return _signal(target, owner, request)
    return _signal_and_wait(target, owner, request, request.wait_seconds)


def _refuse_what_listens(target: Target) -> None:
    """Without a lock there is no gateway of this configuration; tell whose the port is, if it is somebody's.

    Raises:
        XopcError: somebody listens.
    """
    from xopc.service.ports import inspect

    use = inspect(target.port) if target.port else None
    orphans = target.orphans(use)
    if orphans:
        what = f"the supervisor of the gateway (pid {', '.join(map(str, orphans))}) has ended, and it is ending, too"
        raise XopcError(Failure.CONFLICT, f"{what}: start it anew with `xopc gateway`")
    if use is None or not use.listeners:
        return
    if use.gateways:
        raise XopcError(Failure.CONFLICT, f"{_whose(use, target)}. See `xopc gateway status`.")
    pids = ", ".join(dict.fromkeys(str(listener.pid or "?") for listener in use.strangers))
    more = ". See `xopc gateway status`" if "," in pids else ""
    raise XopcError(Failure.CONFLICT, f"refusing to signal non-gateway process pid {pids}{more}")


def _whose(use: PortUse, target: Target) -> str:
    from xopc.cli.gateway.naming import command_for
    from xopc.service.identity import launch_of

    lock_path = str(target.paths.lock_path)
    for pid in use.gateways:
        launch = launch_of(pid)
        if launch is not None and launch.lock_path == lock_path:
            return f"somebody removed the lock {lock_path} of the gateway (pid {pid}): stop it, and start it anew"
    pids = ", ".join(map(str, use.gateways))
    if len(use.gateways) > 1:
        return f"several gateways listen at port {use.port} (pids {pids}): name the file of one with --config"
    launch = next((launch for pid in use.gateways if (launch := launch_of(pid)) is not None), None)
    cure = command_for(launch, "gateway restart", target.environ) if launch else "name its file with --config"
    return f"the gateway at port {use.port} (pid {pids}) has another configuration: {cure}"


def _signal(target: Target, owner: LockInfo, request: Request) -> int:
    from xopc.service.identity import send
    from xopc.service.intent import intent_for, pending_intent
    from xopc.service.poll import attempts

    with pending_intent(target.paths.intent_path, intent_for(owner, request.mode, request.reason)) as intent:
        send(owner.pid, signal.SIGUSR1)
        taken = any(intent.is_consumed() for _ in attempts(PICK_UP_SECONDS, first=0.005, longest=0.05))
    if not taken:
        why = f"pid {owner.pid} has not picked the request up within {PICK_UP_SECONDS:g} s"
        return fail(f"Gateway restart failed: {why}", as_json=request.as_json, hints=[LOGS])
    message = f"Gateway restart signal sent to unmanaged process on port {target.port}: {owner.pid}."
    return tell(
        target, "restarted", message, [*request.warnings, *_not_followed(owner, request)], as_json=request.as_json
    )


def _signal_and_wait(target: Target, owner: LockInfo, request: Request, seconds: float) -> int:
    from xopc.service.identity import send
    from xopc.service.intent import intent_for, pending_intent

    mark = mark_of(target, request.expected_version)
    request = evolve(request, warnings=(*request.warnings, *_not_followed(owner, request)))
    with pending_intent(target.paths.intent_path, intent_for(owner, request.mode, request.reason)) as intent:
        send(owner.pid, signal.SIGUSR1)
        snapshot = watch(target, mark, seconds, as_json=request.as_json)
        picked_up = intent.is_consumed()
    return conclude(target, request, mark, snapshot, picked_up=picked_up)


def _not_followed(owner: LockInfo, request: Request) -> list[str]:
    """What a warning says where the process will not be replaced."""
    from xopc.service.identity import never_respawns

    if request.mode != RESPAWN or not never_respawns(owner.pid):
        return []
    return [f"{NO_RESPAWN_VARIABLE} is set for the gateway: it restarts in its process, which is not replaced."]
