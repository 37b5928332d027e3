"""Restarts a service through its manager, after a look at what would come of it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from xopc.cli.gateway.managed import Service, alone, announced, broken_of, cures_of_refusal, drift_of
from xopc.cli.gateway.restarting import Request, mark_of, mode_of, tell, watch
from xopc.cli.gateway.target import Target
from xopc.cli.output import fail
from xopc.service.managers.base import ServiceManagerError
from xopc.service.probe import Outcome
from xopc.service.sight import Mark

LOGS = "xopc gateway logs"


def restart_service(target: Target, service: Service, request: Request) -> int:
    """Have its manager replace what runs; returns the exit code.

    A configuration that the new process would refuse is refused here, and so is a program that is gone: the manager
    ends the old one first, and nobody would serve.

    Raises:
        ServiceManagerError: the manager could not.
    """
    goes_on = "; it goes on as it is" if target.owner is not None else ""
    broken = broken_of(target, service)
    if broken is not None:
        what = f"Gateway restart failed: {broken.message}{goes_on}"
        return fail(what, as_json=request.as_json, hints=[broken.hint])
    from xopc.service.audit.refusal import refusal_of

    refusal = refusal_of(service.installed, service.runtime.pid)
    if refusal is not None:
        what = f"Gateway restart failed: {refusal}{goes_on}"
        return fail(what, as_json=request.as_json, hints=cures_of_refusal(target))
    warnings = [*request.warnings, *drift_of(target, service)]
    with alone(target) as now:
        if request.wait_seconds is not None:
            return _restart_and_wait(now, service, request, warnings)
        with announced(now, now.owner, request.reason):
            service.manager.restart()
    return tell(target, "restarted", "Gateway restart completed.", warnings, as_json=request.as_json)


def _restart_and_wait(target: Target, service: Service, request: Request, warnings: list[str]) -> int:
    """The manager waits for the gateway itself, perhaps for longer than whoever asked wants to."""
    from xopc.cli.gateway.diagnosis import cures, diagnose

    seconds = request.wait_seconds or 0.0
    mark = _mark(target, request)
    order = _Order(service)
    with announced(target, target.owner, request.reason):
        order.start()
        snapshot = watch(target, mark, seconds, as_json=request.as_json, runtime=service.manager.runtime)
    more = {"mode": mode_of(mark, snapshot), "snapshot": snapshot.to_json()}
    if snapshot.outcome is Outcome.HEALTHY:
        message = f"Gateway restarted and healthy (pid {snapshot.last.pid}, {snapshot.elapsed_ms}ms)."
        return tell(target, "healthy", message, warnings, as_json=request.as_json, **more)
    message = f"Restart health check failed: {snapshot.outcome.value}"
    seen = diagnose(target, mark, snapshot, picked_up=True)
    seen += [f"Service manager: {order.error}"] if order.error else []
    hints = [*cures(snapshot), LOGS]
    if request.as_json:
        return fail(message, as_json=True, hints=hints, diagnostics=seen, **more)
    return fail("\n".join([message, *(f"   {line}" for line in seen)]), as_json=False, hints=hints)


class _Order:
    """The manager's restart, while somebody looks."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.error = ""
        """What the manager said, where it failed."""

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._service.manager.restart()
        except (ServiceManagerError, OSError) as error:
            self.error = str(error)


def _mark(target: Target, request: Request) -> Mark:
    if target.owner is not None:
        return mark_of(target, target.owner, request.expected_version)
    return Mark(0, None, None, datetime.now(UTC), expected_version=request.expected_version)
