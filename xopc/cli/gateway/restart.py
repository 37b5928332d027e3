"""`xopc gateway restart`."""

from __future__ import annotations

import signal
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from attrs import evolve, frozen
from cyclopts import Parameter

from xopc.cli.gateway.target import Target, find_target
from xopc.cli.options import ConfigOption, DurationOption, JsonOption
from xopc.cli.output import fail, print_json, sentence, tell_not_running
from xopc.client.http import Client
from xopc.contracts.errors import Failure, XopcError
from xopc_supervisor.contract import (
    EXIT_OK,
    EXIT_USAGE,
    IN_PROCESS,
    NO_RESPAWN_VARIABLE,
    RESPAWN,
    LockInfo,
    RestartIntent,
)

if TYPE_CHECKING:
    from xopc.service.ports import PortUse
    from xopc.service.probe import Mark, Snapshot

PICK_UP_SECONDS = 1.5
MARK_SECONDS = 1.0
"""How long the gateway may take to say which generation it is at; one that hangs is to be restarted all the same."""
DISABLED = "Gateway restart is disabled in config (commands.restart=false); unmanaged SIGUSR1 restart would be ignored"
LOGS = "xopc gateway logs"
ENDING = ("stopping", "ended")


@frozen
class Request:
    """What was asked for."""

    mode: str
    reason: str
    wait_seconds: float | None
    expected_version: str | None
    as_json: bool


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

    It reads its configuration again. Without --wait the command returns as soon as the gateway has taken the request.
    """
    if expect_version is not None and wait is None:
        message = "--expect-version needs --wait, which looks what runs afterwards: --wait 30s"
        print(f"xopc gateway restart: {message}", file=sys.stderr)
        return EXIT_USAGE
    request = Request(RESPAWN if respawn else IN_PROCESS, reason, wait, expect_version, as_json)
    try:
        return _restart(find_target(config), request)
    except XopcError as error:
        return fail(f"Gateway restart failed: {error.message}", as_json=as_json)
    except BrokenPipeError:
        raise
    except OSError as error:
        return fail(f"Gateway restart failed: {sentence(error)}", as_json=as_json)


def _restart(target: Target, request: Request) -> int:
    if target.resolved is not None and not target.resolved.settings.commands.restart:
        return fail(DISABLED, as_json=request.as_json)
    owner = target.owner
    if owner is None:
        _refuse_what_listens(target)
        return tell_not_running(as_json=request.as_json)
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
        raise XopcError(Failure.CONFLICT, f"{_whose(use, str(target.paths.lock_path))}. See `xopc gateway status`.")
    pids = ", ".join(dict.fromkeys(str(listener.pid or "?") for listener in use.strangers))
    more = ". See `xopc gateway status`" if "," in pids else ""
    raise XopcError(Failure.CONFLICT, f"refusing to signal non-gateway process pid {pids}{more}")


def _whose(use: PortUse, lock_path: str) -> str:
    from xopc.service.identity import launch_of

    for pid in use.gateways:
        launch = launch_of(pid)
        if launch is not None and launch.lock_path == lock_path:
            return f"somebody removed the lock {lock_path} of the gateway (pid {pid}): stop it, and start it anew"
    pids = ", ".join(map(str, use.gateways))
    if len(use.gateways) > 1:
        return f"several gateways listen at port {use.port} (pids {pids}): name the file of one with --config"
    return f"the gateway at port {use.port} (pid {pids}) has another configuration: name its file with --config"


def _signal(target: Target, owner: LockInfo, request: Request) -> int:
    from xopc.service.identity import send
    from xopc.service.intent import pending_intent
    from xopc.service.poll import attempts

    with pending_intent(target.paths.intent_path, _intent(owner, request)) as intent:
        send(owner.pid, signal.SIGUSR1)
        taken = any(intent.is_consumed() for _ in attempts(PICK_UP_SECONDS, first=0.005, longest=0.05))
    if not taken:
        why = f"pid {owner.pid} has not picked the request up within {PICK_UP_SECONDS:g} s"
        return fail(f"Gateway restart failed: {why}", as_json=request.as_json, hints=[LOGS])
    message = f"Gateway restart signal sent to unmanaged process on port {target.port}: {owner.pid}."
    return _tell(target, "restarted", message, _not_followed(owner, request), as_json=request.as_json)


def _signal_and_wait(target: Target, owner: LockInfo, request: Request, seconds: float) -> int:
    from xopc.cli.gateway.diagnosis import cures, diagnose
    from xopc.service.identity import send
    from xopc.service.intent import pending_intent
    from xopc.service.probe import Outcome

    mark = _mark(target, owner, request.expected_version)
    warnings = _not_followed(owner, request)
    with pending_intent(target.paths.intent_path, _intent(owner, request)) as intent:
        send(owner.pid, signal.SIGUSR1)
        snapshot = _watch(target, mark, seconds, as_json=request.as_json)
        picked_up = intent.is_consumed()
    more = {"mode": _mode(mark, snapshot), "snapshot": snapshot.to_json()}
    if snapshot.outcome is Outcome.HEALTHY:
        done = "restarted in its process" if more["mode"] == IN_PROCESS != request.mode else "restarted"
        message = f"Gateway {done} and healthy (pid {snapshot.last.pid}, {snapshot.elapsed_ms}ms)."
        if picked_up:
            return _tell(target, "healthy", message, warnings, as_json=request.as_json, **more)
        what = f"It restarted, but has not read {target.paths.intent_path}: neither mode nor reason counted"
        return fail(what, as_json=request.as_json, hints=[LOGS], **(more if request.as_json else {}))
    message = f"Restart health check failed: {snapshot.outcome.value}"
    seen = diagnose(target, mark, snapshot, picked_up=picked_up)
    hints = [*cures(snapshot), LOGS]
    if request.as_json:
        return fail(message, as_json=True, hints=hints, diagnostics=seen, **more)
    return fail("\n".join([message, *(f"   {line}" for line in seen)]), as_json=False, hints=hints)


def _not_followed(owner: LockInfo, request: Request) -> list[str]:
    """What a warning says where the process will not be replaced."""
    from xopc.service.identity import never_respawns

    if request.mode != RESPAWN or not never_respawns(owner.pid):
        return []
    return [f"{NO_RESPAWN_VARIABLE} is set for the gateway: it restarts in its process, which is not replaced."]


def _mode(mark: Mark, snapshot: Snapshot) -> str | None:
    """Whether another process runs than before; None where that is not known."""
    from xopc.service.probe import Step

    boot_id = (snapshot.last.health or {}).get("bootId")
    if mark.boot_id is None or boot_id is None or snapshot.last.failed is Step.PROCESS:
        return None
    return IN_PROCESS if boot_id == mark.boot_id else RESPAWN


def _intent(owner: LockInfo, request: Request) -> RestartIntent:
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    return RestartIntent(owner.pid, owner.boot_id, request.mode, request.reason, now_ms)


def _mark(target: Target, owner: LockInfo, expected_version: str | None) -> Mark:
    """What runs now, to tell what comes after it."""
    from xopc.service.health import health_of
    from xopc.service.probe import Mark, Obstacle, obstacle_of

    client = Client(
        target.url or "", target.credential, MARK_SECONDS, certificates=target.certificates, local_key=target.local_key
    )
    generation, obstacle = None, Obstacle(owner.problem or "")
    try:
        health = health_of(evolve(client, credential=None))
    except XopcError:
        pass  # there may be a reason why it is restarted
    else:
        found: object = health.get("generation")
        generation = found if isinstance(found, int) else None
        if owner.boot_id in (None, health.get("bootId")):
            obstacle = obstacle_of(owner, health, client)
    return Mark(owner.pid, owner.boot_id, generation, datetime.now(UTC), obstacle, expected_version)


def _watch(target: Target, mark: Mark, seconds: float, *, as_json: bool) -> Snapshot:
    """Wait for the restart, with a dot for each look in vain."""
    from xopc.service.lockfile import read_lock
    from xopc.service.probe import Place, await_restart

    dots = 0

    def look() -> Place:
        now = evolve(target, lock=read_lock(target.paths.lock_path))
        known = now if now.owner and now.owner.port else target
        client = Client(known.url or "", target.credential, certificates=known.certificates, local_key=known.local_key)
        return Place(now.lock, client, known.port or 0)

    def still_waiting() -> None:
        nonlocal dots
        dots += 1
        if not as_json:
            print(".", end="", flush=True)

    snapshot = await_restart(mark, look, seconds, still_waiting)
    if dots and not as_json:
        print()
    return snapshot


def _tell(target: Target, result: str, message: str, warnings: list[str], *, as_json: bool, **more: object) -> int:
    warnings = [*warnings]
    if target.config_error is not None:
        # It may be good all the same in the gateway's own environment, which decides.
        warnings.append(f"The configuration does not validate here: {target.config_error.message}")
    if as_json:
        print_json({"ok": True, "result": result, "message": message, "warnings": warnings, **more})
    else:
        print(f"✅ {message}")
        for warning in warnings:
            print(f"⚠️  {warning}")
    return EXIT_OK
