"""After a change of version: the definition of the gateway's service says so, too, and names the program that stays."""

from __future__ import annotations

from collections.abc import Iterator

from xopc.cli.gateway.target import Target
from xopc.cli.output import sentence
from xopc.service.audit.audited import audit_service
from xopc.service.audit.rules import PASSWORD_VARIABLE, TOKEN_VARIABLE, option_of, paths_of
from xopc.service.installations.versions import Environment
from xopc.service.managers.base import Installed, ServiceManager, ServiceManagerError
from xopc.service.managers.find import find_manager
from xopc.service.managers.tools import run_tool

REINSTALL = "xopc gateway service install --force"
SECONDS = 60.0
_KEPT = ("--port", "--bind")
"""What the service was installed with, and the configuration may not know."""
_OWN = frozenset({TOKEN_VARIABLE, PASSWORD_VARIABLE})


def bring_up_to_date(target: Target, to: Environment) -> list[str]:
    """Have a version write the definition anew, where there is one of this gateway; whoever runs goes
    on, and what is off stays so.

    Gives a sentence where that cannot be done.
    """
    manager = find_manager(target.environ)
    installed = manager.read() if manager is not None else None
    if manager is None or installed is None or not _is_of(target, installed):
        return []
    command = (str(to.python), "-P", "-m", "xopc", "gateway", "service", "install", "--force", "--keep-off", "--json")
    environ = _environ(target, manager, installed)
    try:
        run_tool(*command, *_options(installed), environ=environ, seconds=SECONDS).check()
    except (ServiceManagerError, OSError) as error:
        why = sentence(error) if isinstance(error, OSError) else str(error)
        return [f"{installed.source_path} could not be written anew ({why}): {REINSTALL}"]
    return []


def _is_of(target: Target, installed: Installed) -> bool:
    theirs = paths_of(installed.arguments, installed.environment)
    return theirs is not None and theirs.config_path.resolve() == target.paths.config_path.resolve()


def _environ(target: Target, manager: ServiceManager, installed: Installed) -> dict[str, str]:
    """The environment in which it goes by the same token or password as before: not by that of this shell, nor by
    another one of the file, unless it could not start with its own.
    """
    found = audit_service(manager, target.environ, target.paths, installed=installed)
    environ = {name: value for name, value in target.environ.items() if name not in _OWN}
    if found is not None and any(one.code == "would-refuse" for one in found.findings):
        return environ
    return environ | {name: value for name, value in installed.secrets.items() if name in _OWN}


def _options(installed: Installed) -> Iterator[str]:
    for name in _KEPT:
        if (value := option_of(installed.arguments, name)) is not None:
            yield from (name, value)
