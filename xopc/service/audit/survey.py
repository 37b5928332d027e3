"""Looks at the service of a configuration: what is installed, what its manager says, and what does not fit."""

from __future__ import annotations

import getpass
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from attrs import evolve, field, frozen

from xopc.config.paths import Paths
from xopc.contracts.errors import XopcError
from xopc.service.audit.audited import REINSTALL, audit_service, find_program
from xopc.service.audit.finding import Finding
from xopc.service.audit.rules import paths_of
from xopc.service.audit.standing import Standing, findings_of, is_untold
from xopc.service.managers.base import (
    VERSION_VARIABLE,
    Installed,
    Runtime,
    RuntimeStatus,
    ServiceManager,
    ServiceManagerError,
)
from xopc.service.managers.define import search_path
from xopc.service.managers.find import find_manager
from xopc.service.managers.tools import run_tool

PATIENCE_SECONDS = 3.0
"""A manager that does not answer must not keep a command from telling the rest."""
START = "xopc gateway service start"
LINGERING = Path("/var/lib/systemd/linger")


@frozen
class Service:
    """One service as it was seen, or the place where one would be."""

    manager: ServiceManager = field(repr=False)
    is_system: bool
    installed: Installed | None
    """None where there is none."""
    is_loaded: bool = False
    loaded_text: str = ""
    runtime: Runtime = field(default=Runtime(RuntimeStatus.STOPPED))
    findings: tuple[Finding, ...] = ()

    @property
    def version(self) -> str | None:
        """The version of xopc that wrote its definition."""
        return (self.installed.environment.get(VERSION_VARIABLE) or None) if self.installed else None

    @property
    def paths(self) -> Paths | None:
        """The files of the gateway that it starts."""
        return paths_of(self.installed.arguments, self.installed.environment) if self.installed else None

    @property
    def reinstall(self) -> str:
        """The command that writes its definition anew."""
        return f"sudo {REINSTALL} --system" if self.is_system else REINSTALL

    @property
    def start(self) -> str:
        """The command that has it run."""
        return f"sudo {START} --system" if self.is_system else START

    def to_json(self) -> dict[str, object]:
        """What programs get. Arguments and environment are left out: `service status --json` tells them."""
        return {
            "platform": self.manager.platform,
            "label": self.manager.label,
            "system": self.is_system,
            "installed": self.installed is not None,
            "loaded": self.is_loaded,
            "loadedText": self.loaded_text,
            "sourcePath": str(self.installed.source_path) if self.installed else None,
            "runtime": {
                "status": self.runtime.status.value,
                "pid": self.runtime.pid,
                "lastExitStatus": self.runtime.last_exit_status,
                "state": self.runtime.state,
            },
            "version": self.version,
        }


class Survey:
    """A look that goes on in a thread of its own, while the command asks the gateway."""

    def __init__(self, look: Callable[[Callable[[Service], None]], Service | None]) -> None:
        """`look` is given what takes the service as far as it is known before its manager has answered."""
        self._found: Service | None = None
        self._look = look
        # A tool that hangs must not keep the command from ending.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self, seconds: float = PATIENCE_SECONDS) -> Service | None:
        """What was found in so long; None where there is no manager, or nothing that can be told without it."""
        self._thread.join(seconds)
        return self._found

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What does not fit, as far as it is known now."""
        found = self._found.findings if self._found else ()
        if self._thread.is_alive():
            what = "The service manager does not tell whether the service runs."
            cure = "See: xopc gateway service status"
            return (*found, Finding("service-unknown", what, cure, "It does not answer in time."))
        return found

    def _run(self) -> None:
        # The rest of the command's answer does not hang on it.
        with suppress(ServiceManagerError, XopcError, OSError):
            self._found = self._look(self._keep)

    def _keep(self, service: Service) -> None:
        self._found = service


def survey(
    environ: Mapping[str, str],
    paths: Paths,
    owner_pid: int | None,
    tell: Callable[[Service], None] = lambda _: None,
) -> Service | None:
    """The service of this configuration, the user's or the machine's; None where no manager is there to have one.

    Blocks for as long as the manager's tools take; `tell` gets what the files say before that. `owner_pid` is who has
    the configuration's lock.
    """
    service = find_service(environ, paths)
    if service is None or service.installed is None:
        return service if service is not None and service.manager.is_available() else None
    manager = service.manager
    audited = audit_service(
        manager,
        environ,
        paths,
        installed=service.installed,
        pid=owner_pid,
        reinstall=service.reinstall,
        search_path=_search_path(environ, service.installed),
    )
    findings = audited.findings if audited else ()
    tell(evolve(service, loaded_text=_untold(manager), runtime=Runtime(RuntimeStatus.UNKNOWN), findings=findings))
    runtime, is_loaded, loaded_text = seen(manager)
    is_asked = manager.marker == "systemd" and not service.is_system and not is_untold(runtime)
    lingers = _lingers(environ) if is_asked else None
    standing = Standing(is_loaded, runtime, owner_pid, lingers, getpass.getuser())
    return evolve(
        service,
        is_loaded=is_loaded,
        loaded_text=loaded_text,
        runtime=runtime,
        findings=(*findings, *findings_of(standing, service.start)),
    )


def seen(manager: ServiceManager) -> tuple[Runtime, bool, str]:
    """How its service runs, whether it is loaded, and that for people. One that does not answer is asked no further."""
    runtime = manager.runtime()
    if is_untold(runtime):
        return runtime, False, _untold(manager)
    return runtime, manager.is_loaded(), manager.loaded_text()


def _untold(manager: ServiceManager) -> str:
    return f"{manager.marker} (does not tell)"


def find_service(environ: Mapping[str, str], paths: Paths) -> Service | None:
    """The service whose definition stands on this machine, else the place of the user's; None without a manager.

    A service of the whole machine counts where it starts this configuration, and the user has none.
    """
    manager = find_manager(environ)
    if manager is None:
        return None
    own = Service(manager, is_system=False, installed=manager.read())
    if own.installed is None and manager.marker == "systemd":
        other = find_manager(environ, system=True)
        installed = other.read() if other else None
        theirs = paths_of(installed.arguments, installed.environment) if installed else None
        if other and theirs and os.path.realpath(theirs.config_path) == os.path.realpath(paths.config_path):
            return Service(other, is_system=True, installed=installed)
    return own


def _search_path(environ: Mapping[str, str], installed: Installed) -> tuple[str, ...]:
    """What a service with its program would have in `PATH`; nothing where that is gone, which is told already."""
    program = find_program(installed)
    return search_path(environ, str(program)) if program is not None else ()


def _lingers(environ: Mapping[str, str]) -> bool | None:
    """Whether the user's services run without a login."""
    user = getpass.getuser()
    if (LINGERING / user).exists():
        return True
    try:
        shown = run_tool(
            "loginctl", "show-user", user, "--property=Linger", "--value", environ=environ, seconds=PATIENCE_SECONDS
        )
    except ServiceManagerError:
        return None  # without logind, it is no question
    return shown.output == "yes"
