"""`xopc gateway service start`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xopc.cli.gateway.managed import alone, announced, cures_of_refusal
from xopc.cli.gateway.service.place import SystemOption, find_place, refuse
from xopc.cli.gateway.target import Target
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import as_typed, fail, print_json
from xopc.service.managers.base import Installed, Runtime, ServiceManager, ServiceManagerError
from xopc.service.managers.find import in_scope, is_of_machine
from xopc_supervisor.contract import EXIT_FAILURE, EXIT_OK

if TYPE_CHECKING:
    from xopc.service.audit.finding import Finding

INSTALL = "xopc gateway service install"
READY_SECONDS = 4.0
"""A manager that does not know when a gateway is ready is not asked; whoever waits shall not wait for long."""


def start(*, system: SystemOption = False, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Start the installed service, and tell where the gateway is.

    One that runs already is started anew. What `xopc gateway stop --disable` has put off comes back.
    """
    from xopc.service.audit.refusal import refusal_of

    target, manager = find_place(config, system=system, changes=True)
    installed = manager.read() if manager is not None else None
    if manager is None or (installed is None and not manager.is_available()):
        return refuse(manager, target.environ, system=system, as_json=as_json)
    if installed is None:
        what = f"Service not installed. Run: {in_scope(manager, INSTALL)}"
        return _fail(what, "missing-install", as_json=as_json)
    stale = _stale(target, manager, installed)
    if stale:
        return _repair(manager, stale, as_json=as_json)
    runtime, owner = manager.runtime(), target.owner
    if owner is not None and owner.pid != runtime.pid:
        what = f"A gateway that was started by hand runs with this configuration (pid {owner.pid})"
        return _fail(f"{what}: stop it first", "running-unmanaged", "xopc gateway stop", as_json=as_json)
    if (refusal := refusal_of(installed, runtime.pid)) is not None:
        goes_on = "; what runs goes on as it is" if owner is not None else ""
        what = f"Service start failed: {refusal}{goes_on}"
        return _fail(what, "failed", *cures_of_refusal(target), as_json=as_json)
    if owner is None and (taken := _taken(target, manager, installed)):
        return _fail("Service start failed: the port is taken", "failed", *taken, as_json=as_json)
    try:
        with alone(target) as now, announced(now, now.owner, "xopc gateway service start"):
            manager.start()
    except ServiceManagerError as error:
        return _explain(target, manager, error, as_json=as_json)
    return _tell(target, manager, as_json=as_json)


def _stale(target: Target, manager: ServiceManager, installed: Installed) -> tuple[Finding, ...]:
    from xopc.service.audit.audited import audit_service
    from xopc.service.audit.rules import needs_repair

    found = audit_service(manager, target.environ, target.paths, installed=installed)
    return needs_repair(found.findings) if found is not None else ()


def _repair(manager: ServiceManager, stale: tuple[Finding, ...], *, as_json: bool) -> int:
    reinstall = in_scope(manager, f"{INSTALL} --force")
    if as_json:
        issues = [finding.to_json() for finding in stale]
        error = "Service needs repair: " + " ".join(finding.message for finding in stale)
        print_json({"ok": False, "outcome": "repair-required", "error": error, "issues": issues, "hints": [reinstall]})
        return EXIT_FAILURE
    print("⚠️  Service needs repair:")
    for finding in stale:
        print(f"   - {finding.message}")
    print(as_typed(f"💡 Write it anew: {reinstall}"))
    return EXIT_FAILURE


def _taken(target: Target, manager: ServiceManager, installed: Installed) -> list[str]:
    """Who listens where the service's gateway is to listen, and what to do; nothing where nobody is in its way."""
    from xopc.service.audit.rules import option_of
    from xopc.service.ports import PortStatus, inspect, status_of

    port = int(option_of(installed.arguments, "--port") or target.port or 0)
    hosts = target.effective.binding.hosts if target.effective else ()
    if not port or all(status_of(host, port) is not PortStatus.BUSY for host in hosts):
        return []
    # A manager keeps the socket of a gateway that it is about to start again.
    others = [one for one in inspect(port).strangers if not one.only_keeps_it]
    who = dict.fromkeys(f"Port {port} is used by pid {one.pid or '?'}: {one.command or '?'}" for one in others)
    reinstall = in_scope(manager, f"{INSTALL} --force")
    return [*who, f"Stop that process, or set another gateway.port, and then: {reinstall}"] if who else []


def _explain(target: Target, manager: ServiceManager, error: ServiceManagerError, *, as_json: bool) -> int:
    runtime, installed = manager.runtime(), manager.read()
    seen = f". The service is {runtime.state}." if runtime.state else ""
    hints = [*(_taken(target, manager, installed) if installed is not None else ()), "xopc gateway logs"]
    if manager.marker == "systemd":
        whose = "sudo journalctl" if is_of_machine(manager) else "journalctl --user"
        hints.append(f"{whose} --unit {manager.label}.service --lines 20")
    return _fail(f"Service start failed: {str(error).rstrip('.')}{seen}", "failed", *hints, as_json=as_json)


def _tell(target: Target, manager: ServiceManager, *, as_json: bool) -> int:
    target, runtime = _settled(target, manager)
    host = "localhost" if target.host in {"127.0.0.1", "::1"} else target.host
    port = target.port
    url = f"{target.scheme}://{f'[{host}]' if ':' in host else host}:{port}" if port else None
    if as_json:
        print_json({"ok": True, "outcome": "started", "pid": runtime.pid, "url": url})
        return EXIT_OK
    print("✅ Gateway service started")
    print(f"   PID: {runtime.pid or 'not known yet'}\n   URL: {url or 'not known yet'}")
    return EXIT_OK


def _settled(target: Target, manager: ServiceManager) -> tuple[Target, Runtime]:
    """How it is, as soon as there is something to tell. systemd has waited for it."""
    from xopc.service.poll import attempts

    seconds = 0.0 if manager.marker == "systemd" else READY_SECONDS
    now, runtime = target, manager.runtime()
    for _ in attempts(seconds, first=0.05, longest=0.25):
        now, runtime = target.now(), manager.runtime()
        if now.owner is not None and now.owner.port is not None and now.owner.state == "serving":
            break
    return now, runtime


def _fail(message: str, outcome: str, *hints: str, as_json: bool) -> int:
    return fail(message, as_json=as_json, hints=hints, **({"outcome": outcome} if as_json else {}))
