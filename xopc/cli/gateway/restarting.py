"""What every restart has, whoever does it: what is asked for, what ran before, and waiting for what comes after."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from xopc.cli.gateway.target import Target
from xopc.cli.output import fail, print_json
from xopc.contracts.errors import XopcError
from xopc_supervisor.contract import EXIT_OK, IN_PROCESS, RESPAWN

if TYPE_CHECKING:
    from xopc.service.awaiting import Snapshot
    from xopc.service.managers.base import Runtime
    from xopc.service.sight import Mark, Place

LOGS = "xopc gateway logs"
MARK_SECONDS = 1.0
"""How long the gateway may take to say which generation it is at; one that hangs is to be restarted all the same."""


@frozen
class Request:
    """What was asked for."""

    mode: str
    reason: str
    wait_seconds: float | None
    expected_version: str | None
    as_json: bool
    warnings: tuple[str, ...] = ()
    """What is to be told beside what comes of it."""


def mark_of(target: Target, expected_version: str | None) -> Mark:
    """What runs now, or that nobody does, to tell what comes after it."""
    from xopc.service.health import health_of
    from xopc.service.sight import Mark, Obstacle, obstacle_of

    owner = target.owner
    if owner is None:
        return Mark(0, None, None, datetime.now(UTC), expected_version=expected_version)
    client = target.blind_client(MARK_SECONDS)
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


def watch(
    target: Target, mark: Mark, seconds: float, *, as_json: bool, runtime: Callable[[], Runtime] | None = None
) -> Snapshot:
    """Wait for the restart, with a dot for each look in vain. `runtime` asks the manager of a service how it is."""
    from xopc.service.awaiting import await_restart

    dots = 0

    def look() -> Place:
        return place_of(target, target.now(), runtime() if runtime else None)

    def still_waiting() -> None:
        nonlocal dots
        dots += 1
        if not as_json:
            print(".", end="", flush=True)

    snapshot = await_restart(mark, look, seconds, still_waiting)
    if dots and not as_json:
        print()
    return snapshot


def place_of(target: Target, now: Target, runtime: Runtime | None = None) -> Place:
    """Where to look for what follows the gateway of `target`, which is by now as `now` says. What opens it is known
    already, and not read at each look.
    """
    from xopc.client.http import Client
    from xopc.service.sight import Place

    known = now if now.owner and now.owner.port else target
    client = Client(known.url or "", target.credential, certificates=known.certificates, local_key=known.local_key)
    return Place(now.lock, client, known.port or 0, runtime)


def mode_of(mark: Mark, snapshot: Snapshot) -> str | None:
    """Whether another process runs than before; None where that is not known."""
    from xopc.service.sight import Step

    boot_id = (snapshot.last.health or {}).get("bootId")
    if mark.boot_id is None or boot_id is None or snapshot.last.failed is Step.PROCESS:
        return None
    return IN_PROCESS if boot_id == mark.boot_id else RESPAWN


def conclude(
    target: Target,
    request: Request,
    mark: Mark,
    snapshot: Snapshot,
    *,
    picked_up: bool = True,
    trouble: str = "",
) -> int:
    """Tell how a restart ended that was waited for; `trouble` is what somebody else says about it. Returns the exit
    code."""
    from xopc.cli.gateway.diagnosis import cures, diagnose
    from xopc.service.awaiting import Outcome

    more = {"mode": mode_of(mark, snapshot), "snapshot": snapshot.to_json()}
    if snapshot.outcome is Outcome.HEALTHY and picked_up:
        done = "restarted in its process" if more["mode"] == IN_PROCESS != request.mode else "restarted"
        message = f"Gateway {done} and healthy (pid {snapshot.last.pid}, {snapshot.elapsed_ms}ms)."
        return tell(target, "healthy", message, list(request.warnings), as_json=request.as_json, **more)
    if snapshot.outcome is Outcome.HEALTHY:
        what = f"It restarted, but has not read {target.paths.intent_path}: neither mode nor reason counted"
        return fail(what, as_json=request.as_json, hints=[LOGS], **(more if request.as_json else {}))
    message = f"Restart health check failed: {snapshot.outcome.value}"
    seen = diagnose(target, mark, snapshot, picked_up=picked_up) + ([trouble] if trouble else [])
    hints = [*cures(snapshot), LOGS]
    if request.as_json:
        return fail(message, as_json=True, hints=hints, diagnostics=seen, **more)
    return fail("\n".join([message, *(f"   {line}" for line in seen)]), as_json=False, hints=hints)


def tell(target: Target, result: str, message: str, warnings: list[str], *, as_json: bool, **more: object) -> int:
    """Tell of a restart that came to a good end. Returns the exit code."""
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
