"""Which service manager a machine has: a table by platform, whose modules are imported when they are needed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from xopc.config.profile import profile_of
from xopc.service.base import ServiceManager


def find_manager(
    environ: Mapping[str, str], *, platform: str = sys.platform, system: bool = False
) -> ServiceManager | None:
    """The service of the profile that an environment names; None where this platform has no manager that is known.

    Whether it answers is another question: `is_available`. With `system`, the service is the machine's, not the user's.

    Raises:
        ConfigError: the profile's name is none.
    """
    make = _BACK_ENDS.get(platform)
    return make(environ, profile_of(environ), system) if make is not None else None


def is_of_machine(manager: ServiceManager) -> bool:
    """Whether a service is the whole machine's, which root alone may change."""
    return manager.source_path.is_relative_to("/etc")


def _systemd(environ: Mapping[str, str], profile: str, system: bool) -> ServiceManager:
    from xopc.service.systemd import of_profile  # noqa: PLC0415 - see above

    return of_profile(environ, profile, system=system)


_BACK_ENDS: Mapping[str, Callable[[Mapping[str, str], str, bool], ServiceManager]] = {
    "linux": _systemd,
}
