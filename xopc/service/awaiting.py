"""Waits until a restart is over: another process or generation serves, or it is known that none will."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum

from attrs import evolve, frozen

from xopc.client.http import JsonObject
from xopc.service.health import HANDING_OVER
from xopc.service.managers.base import Runtime
from xopc.service.poll import attempts
from xopc.service.ports import inspect
from xopc.service.sight import UNDER_WAY, Mark, Obstacle, Place, Sight, Step, look_at

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
    DECLINED = "declined"
    """There is no successor: the new process could not take over, and the one before goes on."""
    VERSION_MISMATCH = "version-mismatch"
    """It restarted, as another version than the one that was expected."""


@frozen
class Snapshot:
    """How waiting ended, and what was seen last."""

    outcome: Outcome
    elapsed_ms: int
    last: Sight
    expected_version: str | None = None

    def to_json(self) -> JsonObject:
        last = self.last
        use = last.port_use
        expected, actual = self.expected_version, (last.health or {}).get("version")
        differs = self.outcome is Outcome.VERSION_MISMATCH
        return {
            "runtime": {
                "status": "running" if last.pid else "stopped",
                "pid": last.pid,
                "state": last.state,
                **_managed(last.runtime),
                "problem": (last.obstacle and last.obstacle.message) or None,
            },
            "portUsage": use.to_json() if use else None,
            "healthy": last.failed is None,
            "staleGatewayPids": list(last.foreign_gateways),
            "gatewayVersion": actual,
            "expectedVersion": expected,
            "versionMismatch": {"expected": expected, "actual": actual} if differs else None,
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

    def end(outcome: Outcome) -> Snapshot:
        return Snapshot(outcome, round((time.monotonic() - began) * 1000), sight, mark.expected_version)

    idle_since: float | None = None
    stood_before = mark.obstacle
    sight = Sight(Step.PROCESS, "nothing was seen yet")
    for left in attempts(seconds, first=FIRST_PAUSE_SECONDS, longest=LONGEST_PAUSE_SECONDS):
        place = look()
        sight = look_at(place, mark, min(REQUEST_SECONDS, max(left, 0.1)))
        now = time.monotonic()
        if sight.failed is None:
            return end(Outcome.HEALTHY)
        if sight.failed is Step.VERSION:
            return end(Outcome.VERSION_MISMATCH)
        if sight.obstacle is not None and (sight.obstacle != stood_before or sight.state == HANDING_OVER):
            stood_before = Obstacle()
            if sight.obstacle.message and sight.state not in UNDER_WAY:
                return end(Outcome.DECLINED)
        still_waiting()
        if sight.pid is not None or (sight.port_use and sight.port_use.listeners):
            idle_since = None
        else:
            idle_since = idle_since or now
            if now - idle_since >= STOPPED_FREE_SECONDS:
                return end(Outcome.STOPPED_FREE)
        if left == 0 and sight.port_use is None:
            sight = evolve(sight, port_use=inspect(place.port))
    return end(Outcome.STALE_PIDS if sight.foreign_gateways else Outcome.TIMEOUT)


def _managed(runtime: Runtime | None) -> JsonObject:
    """What a service's manager knows better than its lock."""
    if runtime is None:
        return {}
    return {"status": runtime.status.value, "lastExitStatus": runtime.last_exit_status, "service": runtime.state}
