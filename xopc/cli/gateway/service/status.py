"""`xopc gateway service status`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from xopc.cli.gateway.service.place import SystemOption, find_place, why_unavailable
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import as_typed, print_json
from xopc.service.managers.base import VERSION_VARIABLE, Installed, Runtime, ServiceManager
from xopc.service.managers.find import in_scope
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from xopc.client.http import JsonObject

HIDDEN = "***"


def status(*, system: SystemOption = False, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Tell how the service is: whether it is installed and runs, where, and which version wrote it."""
    from xopc.service.audit.audited import audit_service
    from xopc.service.audit.survey import seen

    target, manager = find_place(config, system=system)
    if manager is None or (manager.read() is None and not manager.is_available()):
        return _tell_unavailable(manager, why_unavailable(manager, target.environ, system=system), as_json=as_json)
    installed, look = manager.read(), seen(manager)
    found = audit_service(manager, target.environ, target.paths, installed=installed, pid=look[0].pid)
    findings = found.findings if found is not None else ()
    if as_json:
        print_json({**_to_json(manager, installed, look), "issues": [finding.to_json() for finding in findings]})
        return EXIT_OK
    print("\n".join(_to_text(manager, installed, look)))
    if findings:
        print()
    for finding in findings:
        print(as_typed(f"⚠️  {finding.headline or finding.message}\n💡 {finding.hint}"))
    return EXIT_OK


def _to_json(manager: ServiceManager, installed: Installed | None, look: tuple[Runtime, bool, str]) -> JsonObject:
    runtime, is_loaded, loaded_text = look
    return {
        "available": True,
        "platform": manager.platform,
        "label": manager.label,
        "loaded": is_loaded,
        "loadedText": loaded_text,
        "runtime": {
            "status": runtime.status.value,
            "pid": runtime.pid,
            "lastExitStatus": runtime.last_exit_status,
            "state": runtime.state,
        },
        "command": _command(installed) if installed is not None else None,
        "port": _port(installed),
        "version": _version(installed),
    }


def _command(installed: Installed) -> JsonObject:
    from xopc.service.audit.rules import is_secret_name

    shown = {name: HIDDEN if is_secret_name(name) else value for name, value in installed.environment.items()}
    hidden = dict.fromkeys(installed.secrets, HIDDEN)
    return {
        "programArguments": list(installed.arguments),
        "workingDirectory": str(installed.working_directory) if installed.working_directory else None,
        "environment": {**shown, **hidden},
        "sourcePath": str(installed.source_path),
    }


def _to_text(manager: ServiceManager, installed: Installed | None, look: tuple[Runtime, bool, str]) -> list[str]:
    runtime, _, loaded_text = look
    lines = ["📊 Gateway Service Status", "", f"   Platform: {manager.platform}"]
    lines.append(f"   Service: {manager.label}, {loaded_text}")
    if installed is None:
        return [*lines, "", as_typed(f"💡 Install it: {in_scope(manager, 'xopc gateway service install')}")]
    running = f"{runtime.status.value} (pid {runtime.pid})" if runtime.pid else runtime.status.value
    state = f", {runtime.state}" if runtime.status.value != "running" and runtime.state else ""
    return [
        *lines,
        f"   Runtime: {running}{state}",
        f"   Port: {_port(installed) or 'that of the configuration'}",
        f"   Version: {_version(installed) or 'not known'}",
        f"   Definition: {installed.source_path}",
    ]


def _port(installed: Installed | None) -> int | None:
    from xopc.service.audit.rules import option_of

    text = option_of(installed.arguments, "--port") if installed is not None else None
    return int(text) if text is not None and text.isdecimal() else None


def _version(installed: Installed | None) -> str | None:
    return installed.environment.get(VERSION_VARIABLE) if installed is not None else None


def _tell_unavailable(manager: ServiceManager | None, hints: list[str], *, as_json: bool) -> int:
    if as_json:
        print_json({"available": False, "platform": sys.platform, "hints": hints})
        return EXIT_OK
    print(f"ℹ️  Daemon not available on {manager.platform if manager is not None else sys.platform}")
    for hint in hints:
        print(as_typed(f"💡 {hint}"))
    return EXIT_OK
