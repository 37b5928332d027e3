"""`.env` in a directory: variables for whoever runs there.

A directory may be a stranger's: one that was cloned or unpacked, or `/tmp`. What decides which configuration is read,
and so which programs are asked for secrets, or what a process loads before it runs, is not taken from there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from xopc.contracts.errors import ConfigError, Problem

NAME = ".env"
MAX_BYTES = 1024 * 1024
PLACES = frozenset(
    {
        "HOME", "PATH", "XOPC_HOME", "XOPC_STATE_DIR", "XOPC_CONFIG_PATH", "XOPC_CONFIG", "XOPC_CREDENTIALS_DIR",
        "XOPC_MODELS_JSON", "XOPC_SERVICE_SECRETS",
    }
)  # fmt: skip
LOADERS = ("PYTHON", "LD_", "DYLD_")
"""How the variables begin that have a process load code."""


@frozen
class DotEnv:
    """What stands in one."""

    values: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    warnings: tuple[str, ...] = ()
    """What of it is left out, and what to do."""


def read_dot_env(directory: Path, environ: Mapping[str, str]) -> DotEnv:
    """The variables of `.env` in a directory; none where there is none, or a stranger could have written it.

    Raises:
        ConfigError: it cannot be read, or is no text.
    """
    path = directory / NAME
    if not path.is_file():
        return DotEnv()
    path = path.absolute()
    status = path.stat()
    if status.st_uid not in trusted_users(environ) or status.st_mode & stat.S_IWOTH:
        why = "can be changed by other users" if status.st_mode & stat.S_IWOTH else "belongs to another user"
        return DotEnv(warnings=(f"{path} {why}, and is left out.",))
    from dotenv import dotenv_values  # noqa: PLC0415 - most directories have none

    if status.st_size > MAX_BYTES:
        raise _refused(path, f"is larger than {MAX_BYTES} bytes")
    try:
        found = dotenv_values(path)
    except UnicodeDecodeError:
        raise _refused(path, "is not UTF-8") from None
    except OSError as error:
        raise _refused(path, f"cannot be read ({error.strerror})") from None
    values = {name: value for name, value in found.items() if value is not None}
    for name, value in values.items():
        if "\0" in name + value:
            raise _refused(path, f"holds a NUL in {name!r}")
    left_out = sorted(name for name in values if (name in PLACES or name.startswith(LOADERS)) and name not in environ)
    kept = {name: value for name, value in values.items() if name not in left_out}
    if not left_out:
        return DotEnv(kept)
    what = f"{path} does not decide about {', '.join(left_out)}: set that in the environment, if it is meant."
    return DotEnv(kept, (what,))


def trusted_users(environ: Mapping[str, str]) -> set[int]:
    """Users that may write what counts: root, this one, and whoever called `sudo`."""
    user = os.geteuid()
    caller = environ.get("SUDO_UID", "")
    return {0, user, int(caller)} if user == 0 and caller.isascii() and caller.isdecimal() else {0, user}


def _refused(path: Path, what: str) -> ConfigError:
    cure = "mend it, or run the command in another directory"
    return ConfigError("environment", Problem(str(path), f"{what}: {cure}"))
