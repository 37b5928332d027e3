"""One look at a gateway, whether what has to hold after a restart holds: its process, its port, its health."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import cast

from attrs import evolve, frozen

from xopc.client.http import Client, JsonObject, NoAnswerError, RefusedError
from xopc.service.health import HANDING_OVER, STATUS_PATH, UNSETTLED, health_of
from xopc.service.lockfile import Lock
from xopc.service.managers.base import Runtime, RuntimeStatus
from xopc.service.ports import PortUse, inspect
from xopc_supervisor.contract import LockInfo

REFUSALS = frozenset({"hand-over", "configuration"})
"""Codes of the problems that the new process could not take over, and that the configuration was refused."""
UNDER_WAY = frozenset({"starting", "restarting", "respawning", HANDING_OVER, "backing-off", "crash-looping"})
"""States of a supervisor in which a new process may still come."""


class Step(Enum):
    """What has to hold, in this order."""

    PROCESS = "process"
    """Another process or generation than before runs, and has settled."""
    PORT = "port"
    """It is the one that listens."""
    HTTP = "http"
    """It answers, with 200."""
    VERSION = "version"
    """It is the version that was expected, if one was."""


@frozen
class Obstacle:
    """What keeps a gateway from restarting, or from being well."""

    message: str = ""
    """Empty where there is nothing."""
    since: str = ""
    """Tells a second one with the same message from the first, where the gateway says it."""


@frozen
class Mark:
    """What ran when the restart was asked for."""

    pid: int
    """The supervisor's."""
    boot_id: str | None
    generation: int | None
    """None where it did not answer."""
    at: datetime
    """When it was asked for."""
    obstacle: Obstacle = Obstacle()
    """What `obstacle_of` it was then: one that still stands does not tell how this restart ends."""
    expected_version: str | None = None
    """What shall run afterwards; None: whatever is installed."""

    def is_left_behind(self, health: JsonObject) -> bool:
        """Whether what answers is another process or generation."""
        if health.get("pid") != self.pid:
            return True
        if self.boot_id is not None and health.get("bootId") != self.boot_id:
            return True
        if self.generation is not None:
            return health.get("generation") != self.generation
        try:
            started = datetime.fromisoformat(str(health.get("startedAt")))
            # `startedAt` has whole milliseconds, rounded down.
            return started >= self.at.replace(microsecond=self.at.microsecond // 1000 * 1000)
        except (ValueError, TypeError):
            return False


@frozen
class Place:
    """Where to look."""

    lock: Lock
    client: Client
    port: int
    runtime: Runtime | None = None
    """What the manager of a service says of it; None where it is not asked."""


@frozen
class Sight:
    """What one look found."""

    failed: Step | None
    """None: all is well."""
    detail: str
    pid: int | None = None
    """The running supervisor's."""
    health: JsonObject | None = None
    port_use: PortUse | None = None
    state: str | None = None
    """What the supervisor is at."""
    obstacle: Obstacle | None = None
    """None where it was not to be seen."""
    runtime: Runtime | None = None
    """What its manager says of the service; None where it was not asked."""

    @property
    def foreign_gateways(self) -> tuple[int, ...]:
        """Gateways that listen at the port, and are not the one that the lock names."""
        return tuple(pid for pid in (self.port_use.gateways if self.port_use else ()) if pid != self.pid)


def look_at(place: Place, mark: Mark, request_seconds: float) -> Sight:
    """What there is to see; where the manager of a service does not say that it runs, nothing else counts."""
    runtime = place.runtime
    if runtime is None:
        return _look_at_gateway(place, mark, request_seconds)
    if runtime.status is not RuntimeStatus.RUNNING or runtime.pid is None:
        status = f"exit status {runtime.last_exit_status}" if runtime.last_exit_status else runtime.status.value
        what = f"the service does not run: {runtime.state or 'its manager names no process'} ({status})"
        return Sight(Step.PROCESS, what, runtime.pid, port_use=inspect(place.port), runtime=runtime)
    sight = evolve(_look_at_gateway(place, mark, request_seconds), runtime=runtime)
    if sight.pid not in (None, runtime.pid):
        what = f"pid {sight.pid} has the lock, and the service is pid {runtime.pid}"
        return evolve(sight, failed=Step.PROCESS, detail=what, port_use=inspect(place.port))
    return sight


def obstacle_of(info: LockInfo, health: JsonObject, client: Client) -> Obstacle:
    """What the gateway says about the last restart that failed, which it dates; else what its supervisor says.

    `client` is for the gateway that `info` is about, with a credential where there is one.
    """
    codes: object = health.get("problems")
    if not isinstance(codes, list) or REFUSALS.isdisjoint(map(str, cast("list[object]", codes))):
        return Obstacle(info.problem or "")
    try:
        told: object = client.get(STATUS_PATH).get("problems")
    except (NoAnswerError, RefusedError):
        told = None
    if not isinstance(told, list):
        return Obstacle(info.problem or "the restart was refused; the log tells why")
    problems = cast("list[JsonObject]", told)
    refusals = [problem for problem in problems if problem.get("code") in REFUSALS]
    if not refusals:
        return Obstacle()  # it is over since `health` was asked: that answer came from the generation before
    last = max(refusals, key=lambda problem: str(problem.get("since")))
    return Obstacle(str(last.get("message")), str(last.get("since")))


def _look_at_gateway(place: Place, mark: Mark, request_seconds: float) -> Sight:
    """The steps in their order; the first needs HTTP too, for only there stands the generation."""
    info = place.lock.info
    if info is None or not place.lock.is_alive:
        return Sight(Step.PROCESS, "no gateway runs with this configuration", port_use=inspect(place.port))
    client = evolve(place.client, timeout_seconds=request_seconds)
    sight = Sight(None, "", info.pid, state=info.state)
    if info.state in UNDER_WAY:
        why = f": {info.problem}" if info.problem else ""
        preparing = "serves, and a new process prepares to take over"
        what = f"pid {info.pid} {preparing if info.state == HANDING_OVER else f'is {info.state}'}{why}"
        return evolve(sight, failed=Step.PROCESS, detail=what, obstacle=Obstacle(info.problem or ""))
    try:
        health = health_of(evolve(client, credential=None))
    except (NoAnswerError, RefusedError) as error:
        use = inspect(place.port)
        if not _is_ours(use, info):
            return evolve(sight, failed=Step.PORT, detail=_whose(info, place), port_use=use)
        return evolve(sight, failed=Step.HTTP, detail=error.message, port_use=use)
    sight = evolve(sight, health=health)
    if info.boot_id is not None and health.get("bootId") != info.boot_id:
        what = f"another gateway (pid {health.get('pid')}) answers at the port"
        return evolve(sight, failed=Step.PORT, detail=what, port_use=inspect(place.port))
    status, generation = health.get("status"), health.get("generation")
    if status in UNSETTLED:
        return evolve(sight, failed=Step.PROCESS, detail=f"pid {info.pid} is still {status}")
    if not mark.is_left_behind(health):
        obstacle = obstacle_of(info, health, client)
        why = f": {obstacle.message}" if obstacle.message else ""
        what = f"pid {info.pid} still serves generation {generation}{why}"
        return evolve(sight, failed=Step.PROCESS, detail=what, obstacle=obstacle)
    use = inspect(place.port)
    sight = evolve(sight, port_use=use)
    if not _is_ours(use, info):
        return evolve(sight, failed=Step.PORT, detail=_whose(info, place))
    version, expected = health.get("version"), mark.expected_version
    if expected is not None and version != expected:
        return evolve(sight, failed=Step.VERSION, detail=f"pid {info.pid} is version {version}, not {expected}")
    return evolve(sight, detail=f"pid {info.pid} serves generation {generation}")


def _is_ours(use: PortUse, info: LockInfo) -> bool:
    """Whether the gateway of the lock is among those that listen, as far as that can be seen."""
    known = [one for one in use.listeners if one.pid is not None]
    return not known or any(one.gateway_pid == info.pid or one.pid in (info.pid, info.child_pid) for one in known)


def _whose(info: LockInfo, place: Place) -> str:
    return f"another process than pid {info.pid} listens at port {place.port}"
