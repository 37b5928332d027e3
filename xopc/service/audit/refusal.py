"""Whether a service would refuse to start: asked before its manager is, and by the audit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from xopc.config.dot_env import read_dot_env
from xopc.config.resolve import Flags, resolve
from xopc.contracts.errors import ConfigError, XopcError
from xopc.service.audit.rules import option_of
from xopc.service.managers.base import SECRETS_FILE_VARIABLE, Installed
from xopc.service.managers.secrets_file import add_secrets

_FROM_MANAGER = re.compile(r"Credential|^EnvironmentFile$|^PassEnvironment$")
"""Settings by which its manager gives a service what nobody else sees."""


def refusal_of(installed: Installed, pid: int | None, *, section: str | None = None) -> str | None:
    """Why a service would refuse to start, with what it knows; None where it would not, or where that shows only then.

    To be asked before its manager is: that ends the gateway which runs, and only then sees that no other comes up.
    `pid` is what it runs now; that process knows what no definition says, such as the manager's own variables. With
    `section`, only that section's references are looked up: no program is run for the secrets of the others.
    """
    if pid is None and any(_FROM_MANAGER.search(setting) for setting in installed.settings):
        return None
    port = option_of(installed.arguments, "--port")
    flags = Flags(int(port) if port and port.isdecimal() else None, option_of(installed.arguments, "--bind"))
    try:
        resolve(_environment_of(installed, pid), flags, section=section)
    except ConfigError as error:
        return error.message
    except (XopcError, OSError):
        return None  # the new process may see it otherwise, and waits for a disk
    return None


def known_by(pid: int | None) -> dict[str, str]:
    """The variables of a running gateway that are not xopc's own; none where it cannot be asked."""
    if pid is None:
        return {}
    import psutil  # noqa: PLC0415 - most services are not looked at while they run, and `status` would pay for it

    try:
        environ = psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return {}
    return {name: value for name, value in environ.items() if not name.startswith("XOPC_")}


def _environment_of(installed: Installed, pid: int | None) -> Mapping[str, str]:
    """What a service's gateway finds in its environment, in the order in which it counts.

    Raises:
        ConfigError: its secrets cannot be read.
    """
    environ = dict(installed.environment)
    if environ.get(SECRETS_FILE_VARIABLE):
        add_secrets(environ)
    found = read_dot_env(installed.working_directory or Path("/"), environ)
    return {**known_by(pid), **found.values, **environ}
