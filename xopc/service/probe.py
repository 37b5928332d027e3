"""Whether a gateway answers, and whether a restart is over: another process or generation, its port, its health."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from enum import Enum

from attrs import evolve, frozen

from xopc.client.http import Client, JsonObject, NoAnswerError, RefusedError
from xopc.service.health import UNSETTLED, health_of
from xopc.service.lockfile import Lock
from xopc.service.poll import attempts
from xopc.service.ports import PortUse, inspect

REQUEST_SECONDS = 3.0
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 0.5
STOPPED_FREE_SECONDS = 5.0
"""With nobody running and nobody listening for so long, nothing will come any more."""


class Outcome(Enum):
    """How waiting for a restart ended."""

    HEALTHY = "healthy"
    TIMEOUT = "timeout"
    STOPPED_FREE = "stopped-free"
    """No gateway runs and the port is free: nothing is going to come."""
    STALE_PIDS = "stale-pids"
    """Another gateway holds the port."""


class Step(Enum):
    """What has to hold, in this order."""

    PROCESS = "process"
    """Another process or generation than before runs, and has settled."""
    PORT = "port"
    """It is the one that listens."""
    HTTP = "http"
    """It answers, with 200."""


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

    @property
    def foreign_gateways(self) -> tuple[int, ...]:
        """Gateways that listen at the port, and are not the one that the lock names."""
        return tuple(pid for pid in (self.port_use.gateways if self.port_use else ()) if pid != self.pid)


@frozen
class Snapshot:
    """How waiting ended, and what was seen last."""

    outcome: Outcome
    elapsed_ms: int
    last: Sight

    def to_json(self) -> JsonObject:
        last = self.last
        use = last.port_use
        return {
            "runtime": {"status": "running" if last.pid else "stopped", "pid": last.pid},
            "portUsage": use.to_json() if use else None,
            "healthy": last.failed is None,
            "staleGatewayPids": list(last.foreign_gateways),
            "gatewayVersion": (last.health or {}).get("version"),
            "failedStep": last.failed.value if last.failed else None,
            "detail": last.detail,
            "waitOutcome": self.outcome.value,
            "elapsedMs": self.elapsed_ms,
        }


def await_restart(mark: Mark, look: Callable[[], Place], seconds: float, still_waiting: Callable[[], None]) -> Snapshot:
    """Look until the restart is over, at most for `seconds`: at once, then less and less often.

    `look` reads the lock anew; `still_waiting` is called after each look that was in vain.
    """
    began = time.monotonic()
    idle_since: float | None = None
    sight = Sight(Step.PROCESS, "nothing was seen yet")
    for left in attempts(seconds, first=FIRST_PAUSE_SECONDS, longest=LONGEST_PAUSE_SECONDS):
        place = look()
        sight = _look_at(place, mark, min(REQUEST_SECONDS, max(left, 0.1)))
        now = time.monotonic()
        if sight.failed is None:
            return Snapshot(Outcome.HEALTHY, _ms(now - began), sight)
        still_waiting()
        if sight.pid is not None or (sight.port_use and sight.port_use.listeners):
            idle_since = None
        else:
            idle_since = idle_since or now
            if now - idle_since >= STOPPED_FREE_SECONDS:
                return Snapshot(Outcome.STOPPED_FREE, _ms(now - began), sight)
        if left == 0 and sight.port_use is None:
            sight = evolve(sight, port_use=inspect(place.port))
    outcome = Outcome.STALE_PIDS if sight.foreign_gateways else Outcome.TIMEOUT
    return Snapshot(outcome, _ms(time.monotonic() - began), sight)


def _look_at(place: Place, mark: Mark, request_seconds: float) -> Sight:
    info = place.lock.info
    if info is None or not place.lock.is_alive:
        return Sight(Step.PROCESS, "no gateway runs with this configuration", port_use=inspect(place.port))
    pid = info.pid
    try:
        health = health_of(evolve(place.client, timeout_seconds=request_seconds))
    except (NoAnswerError, RefusedError) as error:
        return Sight(Step.HTTP, error.message, pid)
    status, generation = health.get("status"), health.get("generation")
    if info.boot_id is not None and health.get("bootId") != info.boot_id:
        use = inspect(place.port)
        return Sight(Step.PORT, f"another gateway (pid {health.get('pid')}) answers at the port", pid, health, use)
    if status in UNSETTLED:
        return Sight(Step.PROCESS, f"pid {pid} is still {status}", pid, health)
    if not mark.is_left_behind(health):
        return Sight(Step.PROCESS, f"pid {pid} still serves generation {generation}", pid, health)
    use = inspect(place.port)
    known = [one for one in use.listeners if one.pid is not None]
    if known and not any(one.gateway_pid == pid or one.pid in (pid, info.child_pid) for one in known):
        return Sight(Step.PORT, f"another process than pid {pid} listens at port {place.port}", pid, health, use)
    return Sight(None, f"pid {pid} serves generation {generation}", pid, health, use)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
