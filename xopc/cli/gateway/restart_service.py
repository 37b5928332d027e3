"""Restarts a service through its manager, after a look at what would come of it."""

from __future__ import annotations

import threading

from attrs import evolve

from xopc.cli.gateway.managed import Service, alone, announced, broken_of, cures_of_refusal, drift_of
from xopc.cli.gateway.restarting import Request, conclude, mark_of, tell, watch
from xopc.cli.gateway.target import Target
from xopc.cli.output import fail
from xopc.service.managers.base import ServiceManagerError


def restart_service(target: Target, service: Service, request: Request) -> int:
    """Have its manager replace what runs; returns the exit code.

    A configuration that the new process would refuse is refused here, and so is a program that is gone: the manager
    ends the old one first, and nobody would serve.

    Raises:
        ServiceManagerError: the manager could not.
    """
    from xopc.service.audit.refusal import refusal_of

    goes_on = "; it goes on as it is" if target.owner is not None else ""
    broken = broken_of(target, service)
    if broken is not None:
        what = f"Gateway restart failed: {broken.message}{goes_on}"
        return fail(what, as_json=request.as_json, hints=[broken.hint])
    refusal = refusal_of(service.installed, service.runtime.pid)
    if refusal is not None:
        what = f"Gateway restart failed: {refusal}{goes_on}"
        return fail(what, as_json=request.as_json, hints=cures_of_refusal(target))
    request = evolve(request, warnings=(*request.warnings, *drift_of(target, service)))
    with alone(target) as now:
        if request.wait_seconds is not None:
            return _restart_and_wait(now, service, request, request.wait_seconds)
        with announced(now, now.owner, request.reason):
            service.manager.restart()
    return tell(target, "restarted", "Gateway restart completed.", list(request.warnings), as_json=request.as_json)


def _restart_and_wait(target: Target, service: Service, request: Request, seconds: float) -> int:
    """The manager waits for the gateway itself, perhaps for longer than whoever asked wants to."""
    mark = mark_of(target, request.expected_version)
    order = _Order(service)
    with announced(target, target.owner, request.reason):
        order.start()
        snapshot = watch(target, mark, seconds, as_json=request.as_json, runtime=service.manager.runtime)
    trouble = f"Service manager: {order.error}" if order.error else ""
    return conclude(target, request, mark, snapshot, trouble=trouble)


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
