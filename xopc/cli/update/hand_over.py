"""Has the running gateway replaced by one of the version that is in use now, and tells how that went."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack, suppress
from enum import Enum
from pathlib import Path

import psutil
from attrs import frozen

from xopc.cli.gateway.naming import command_for
from xopc.cli.gateway.restarting import mark_of, place_of
from xopc.cli.gateway.target import Target
from xopc.cli.output import sentence
from xopc.contracts.errors import Failure, XopcError
from xopc.service.awaiting import Outcome, await_restart
from xopc.service.identity import launch_of, never_respawns, send, signal_target
from xopc.service.installations.versions import Environment, Installations
from xopc.service.intent import intent_for, pending_intent
from xopc.service.poll import attempts
from xopc.service.sight import Mark, Place
from xopc_supervisor.contract import RESPAWN, Installation, LockInfo, is_alive

UNREADY_SECONDS = 2.0
"""For a supervisor to see that a process has ended."""
LOOPING = frozenset({"backing-off", "crash-looping"})
"""States of a supervisor whose new process has crashed more than once."""


class End(Enum):
    """How it went."""

    NOT_RUNNING = "not-running"
    """No gateway runs; the next one is of the version in use."""
    HANDED_OVER = "handed-over"
    LEFT_ALONE = "left-alone"
    """It cannot be replaced while it runs; the reason is told."""
    KEPT = "kept"
    """The new one could not take over, and the one before serves."""
    LOST = "lost"
    """The new one took over, and does not serve."""


@frozen
class Handed:
    """How it went, and why."""

    end: End
    reason: str = ""
    waited_ms: int = 0


class _LoopingError(Exception):
    """The new process crashes again and again."""


def hand_over(
    target: Target,
    installed: Installations,
    to: Environment,
    seconds: float,
    reason: str,
    *,
    patient: bool = False,
) -> Handed:
    """Have the gateway of `target` follow the version in use, `to`, and wait until it serves, at most for `seconds`.

    A new process that crashes twice is not waited for; with `patient` it is, since what crashes is of another version.
    One that cannot be asked, for it may not be signalled or the disk is full, has kept its version.
    """
    target = target.now()
    owner = target.owner
    if owner is None:
        return Handed(End.NOT_RUNNING)
    why = why_left_alone(target, owner, installed)
    if why:
        return Handed(End.LEFT_ALONE, why)
    mark = mark_of(target, to.version)
    with ExitStack() as asked:
        try:
            asked.enter_context(pending_intent(target.paths.intent_path, intent_for(owner, RESPAWN, reason)))
            send(owner.pid, signal.SIGUSR1)
        except OSError as error:
            return Handed(End.KEPT, sentence(error))
        except XopcError as error:
            return Handed(End.NOT_RUNNING if error.failure is Failure.NOT_FOUND else End.KEPT, error.message)
        return _wait(target, mark, seconds, patient=patient)


def why_left_alone(target: Target, owner: LockInfo, installed: Installations) -> str:
    """Why the gateway that runs cannot be replaced by another version; empty where it can."""
    who = f"the gateway that runs (pid {owner.pid}, version {owner.version or 'unknown'})"
    anew = f"stop it, and start it with `{installed.program} gateway`; a service with `xopc gateway restart`"
    launch = launch_of(owner.pid)
    if launch is not None:
        environment = Path(launch.command[0]).parent.parent
        record = Installation.read(str(environment))
        if record is None or Path(record.current) != installed.root / "current":
            return f"{who} was started from {environment}, another installation of xopc: {anew}"
    if never_respawns(owner.pid):
        return f"{who} was told to start no new process (XOPC_NO_RESPAWN): {anew}"
    if target.resolved is not None and not target.resolved.settings.commands.restart:
        return f"{who} does not allow restarts (commands.restart is false): {anew}"
    return ""


def left_behind(target: Target, installed: Installations, to: Environment) -> list[str]:
    """A sentence for each other gateway of this installation that still runs another version."""
    found: list[str] = []
    for process in psutil.process_iter():
        launch = launch_of(process.pid) if signal_target(process.pid) == process.pid else None
        if launch is None or launch.lock_path == str(target.paths.lock_path):
            continue
        environment = Path(launch.command[0]).parent.parent
        record = Installation.read(str(environment))
        if record and Path(record.current) == installed.root / "current" and environment.resolve() != to.path:
            what = f"Another gateway (pid {process.pid}) still runs another version"
            restart = command_for(launch, "gateway restart --respawn --wait 60s", target.environ)
            found.append(f"{what}: {restart}")
    return found


def end_unready(target: Target) -> None:
    """Kill a gateway process that is starting, and serves nobody, so that its supervisor starts the version in use."""
    for left in attempts(UNREADY_SECONDS, first=0.05, longest=0.2):
        info = target.now().lock.info
        if info is None or info.state != "starting" or info.child_pid is None:
            return
        if is_alive(info.child_pid, info.child_start_time) and left == UNREADY_SECONDS:
            with suppress(ProcessLookupError):
                os.kill(info.child_pid, signal.SIGKILL)


def _wait(target: Target, mark: Mark, seconds: float, *, patient: bool) -> Handed:
    last: LockInfo | None = None

    def look() -> Place:
        nonlocal last
        now = target.now()
        last = now.owner
        if last is not None and last.state in LOOPING and not patient:
            raise _LoopingError(last.problem or "it crashed")
        return place_of(target, now)

    try:
        snapshot = await_restart(mark, look, seconds, lambda: None)
    except _LoopingError as error:
        return Handed(End.LOST, str(error))
    took_ms = snapshot.elapsed_ms
    if snapshot.outcome is Outcome.HEALTHY:
        return Handed(End.HANDED_OVER, waited_ms=took_ms)
    obstacle = snapshot.last.obstacle
    why = (obstacle.message if obstacle else "") or snapshot.last.detail or snapshot.outcome.value
    still = last is not None and last.boot_id == mark.boot_id and last.state != "stopping"
    return Handed(End.KEPT if still else End.LOST, why, took_ms)
