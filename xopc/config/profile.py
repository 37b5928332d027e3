"""Profiles: several gateways of one user, each with a state directory, a default port and a service of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256

from xopc.contracts.errors import ConfigError, Problem

VARIABLE = "XOPC_PROFILE"
DEFAULT = "default"
"""The gateway of whoever names no profile."""
DEFAULT_PORT = 18790
"""Of that one, as `GatewaySettings.port` has it."""
DEV = "dev"
"""Of whoever works on xopc itself: `--dev`."""
DEV_PORT = 19001
FIRST_PORT = 19021
"""Of all others, at the least."""
SPACING = 20
"""Ports from one profile to the next."""
PORTS = 687
"""As many profiles as fit below 32768, where Linux begins to give ports to outgoing connections."""


def profile_of(environ: Mapping[str, str]) -> str:
    """The profile that an environment asks for: `default` where it names none.

    Raises:
        ConfigError: what it names cannot be one.
    """
    name = environ.get(VARIABLE, "").strip()
    if name.lower() in ("", DEFAULT):
        return DEFAULT
    if (what := wrong_name(name)) is not None:
        raise ConfigError("environment", Problem(VARIABLE, what))
    return name


def wrong_name(name: str) -> str | None:
    """Why a text cannot be the name of a profile, and what to do; None where it can."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        return None
    cure = "use up to 64 letters, digits, dots, dashes and underscores, and begin with a letter or a digit"
    return f"is not the name of a profile: {cure}"


def default_port(profile: str) -> int:
    """Where the gateway of a profile listens when nothing else is said: always the same for the same name.

    Case does not count, since it does not in the names of directories everywhere.

    >>> default_port("default"), default_port("dev"), default_port("rescue")
    (18790, 19001, 21401)
    """
    name = profile.lower()
    if name == DEFAULT:
        return DEFAULT_PORT
    if name == DEV:
        return DEV_PORT
    return FIRST_PORT + SPACING * (int.from_bytes(sha256(name.encode()).digest()[:8]) % PORTS)
