"""Which service manager a machine has: a table by platform, whose modules are imported when they are needed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from xopc.config.profile import profile_of
from xopc.service.base import ServiceManager, ServiceManagerError


def find_manager(
    environ: Mapping[str, str], *, platform: str = sys.platform, system: bool = False
) -> ServiceManager | None:
    """The service of the profile that an environment names; None where this platform has no manager that is known.

    Whether it answers is another question: `is_available`. With `system`, the service is the machine's, not the user's.

    Raises:
        ConfigError: the profile's name is none.
        ServiceManagerError: there are no services of the machine for its manager.
    """
    make = _BACK_ENDS.get(platform)
    return make(environ, profile_of(environ), system) if make is not None else None


def is_of_machine(manager: ServiceManager) -> bool:
    """Whether a service is the whole machine's, which root alone may change."""
    return manager.source_path.is_relative_to("/etc")


def _systemd(environ: Mapping[str, str], profile: str, system: bool) -> ServiceManager:
    from xopc.service.systemd import of_profile  # noqa: PLC0415 - see above

    return of_profile(environ, profile, system=system)


def _launchd(environ: Mapping[str, str], profile: str, system: bool) -> ServiceManager:
    from xopc.service.launchd import of_profile  # noqa: PLC0415 - see above

    _refuse_system(system)
    return of_profile(environ, profile)


def _schtasks(environ: Mapping[str, str], profile: str, system: bool) -> ServiceManager:
    from xopc.service.schtasks import of_profile  # noqa: PLC0415 - see above

    _refuse_system(system)
    return of_profile(environ, profile)


def _refuse_system(system: bool) -> None:
    if system:
        raise ServiceManagerError("a service of the whole machine is known for systemd alone: leave out --system")


_BACK_ENDS: Mapping[str, Callable[[Mapping[str, str], str, bool], ServiceManager]] = {
    "linux": _systemd,
    "darwin": _launchd,
    "win32": _schtasks,
}
