"""Which service manager a machine has: a table by platform, whose modules are imported when they are needed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from xopc.config.profile import profile_of
from xopc.service.managers.base import ServiceManager


def find_manager(
    environ: Mapping[str, str], *, platform: str | None = None, system: bool = False
) -> ServiceManager | None:
    """The service of the profile that an environment names; None where this platform has no manager that is known.

    Whether it answers is another question: `is_available`. `platform` is as `sys.platform`, which it is by default.
    With `system`, the service is the machine's, not the user's; only systemd has such.

    Raises:
        ConfigError: the profile's name is none.
    """
    make = _BACK_ENDS.get(platform or sys.platform)
    return make(environ, profile_of(environ), system) if make is not None else None


def is_of_machine(manager: ServiceManager) -> bool:
    """Whether a service is the whole machine's, which root alone may change."""
    return manager.source_path.is_relative_to("/etc")


def in_scope(manager: ServiceManager, command: str) -> str:
    """A command of `xopc gateway service` as whoever logs in types it for this service: the machine's is root's."""
    return f"sudo {command} --system" if is_of_machine(manager) else command


def _systemd(environ: Mapping[str, str], profile: str, system: bool) -> ServiceManager:
    from xopc.service.managers.systemd import of_profile  # noqa: PLC0415 - see above

    return of_profile(environ, profile, system=system)


def _launchd(environ: Mapping[str, str], profile: str, system: bool) -> ServiceManager | None:
    from xopc.service.managers.launchd import of_profile  # noqa: PLC0415 - see above

    return None if system else of_profile(environ, profile)


def _schtasks(environ: Mapping[str, str], profile: str, system: bool) -> ServiceManager | None:
    from xopc.service.managers.schtasks import of_profile  # noqa: PLC0415 - see above

    return None if system else of_profile(environ, profile)


_BACK_ENDS: Mapping[str, Callable[[Mapping[str, str], str, bool], ServiceManager | None]] = {
    "linux": _systemd,
    "darwin": _launchd,
    "win32": _schtasks,
}
