"""What every restart has, whoever does it: what is asked for, what ran before, and waiting for what comes after."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from xopc.cli.gateway.target import Target
from xopc.cli.output import print_json
from xopc.client.http import Client
from xopc.contracts.errors import XopcError
from xopc_supervisor.contract import EXIT_OK, IN_PROCESS, RESPAWN, LockInfo, RestartIntent

if TYPE_CHECKING:
    from xopc.service.managers.base import Runtime
    from xopc.service.probe import Snapshot
    from xopc.service.sight import Mark

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


def intent_for(owner: LockInfo, request: Request) -> RestartIntent:
    """What is left for the gateway beside the signal."""
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    return RestartIntent(owner.pid, owner.boot_id, request.mode, request.reason, now_ms)


def mark_of(target: Target, owner: LockInfo, expected_version: str | None) -> Mark:
    """What runs now, to tell what comes after it."""
    from xopc.service.health import health_of
    from xopc.service.sight import Mark, Obstacle, obstacle_of

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


def watch(
    target: Target, mark: Mark, seconds: float, *, as_json: bool, runtime: Callable[[], Runtime] | None = None
) -> Snapshot:
    """Wait for the restart, with a dot for each look in vain. `runtime` asks the manager of a service how it is."""
    from xopc.service.lockfile import read_lock
    from xopc.service.probe import await_restart
    from xopc.service.sight import Place

    dots = 0

    def look() -> Place:
        now = evolve(target, lock=read_lock(target.paths.lock_path))
        known = now if now.owner and now.owner.port else target
        client = Client(known.url or "", target.credential, certificates=known.certificates, local_key=known.local_key)
        return Place(now.lock, client, known.port or 0, runtime() if runtime else None)

    def still_waiting() -> None:
        nonlocal dots
        dots += 1
        if not as_json:
            print(".", end="", flush=True)

    snapshot = await_restart(mark, look, seconds, still_waiting)
    if dots and not as_json:
        print()
    return snapshot


def mode_of(mark: Mark, snapshot: Snapshot) -> str | None:
    """Whether another process runs than before; None where that is not known."""
    from xopc.service.sight import Step

    boot_id = (snapshot.last.health or {}).get("bootId")
    if mark.boot_id is None or boot_id is None or snapshot.last.failed is Step.PROCESS:
        return None
    return IN_PROCESS if boot_id == mark.boot_id else RESPAWN


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
