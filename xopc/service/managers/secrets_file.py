"""A service's secrets: variables in a file that its owner alone may read, and that nothing else shows."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from xopc.config.regular import read_regular
from xopc.config.write import write_private
from xopc.contracts.errors import ConfigError, Problem
from xopc.service.managers.base import SECRETS_FILE_VARIABLE, ServiceManagerError

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
HEAD = "# Written by `xopc gateway service install`: what the gateway's service knows, and nobody else may.\n"


def write_secrets(path: Path, secrets: Mapping[str, str]) -> None:
    """Put them into the file at `path`, mode 0600, in a directory of mode 0700.

    Raises:
        ServiceManagerError: a value is one that no variable can have.
        OSError: it cannot be written; what was there is as it was.
    """
    lines = [f"{name}={_quoted(name, value)}\n" for name, value in sorted(secrets.items())]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    write_private(path, "".join([HEAD, *lines]).encode())


def read_secrets(path: Path) -> dict[str, str]:
    """What `write_secrets` put there, or a person: the form is that of `.env`, but `${NAME}` is plain text.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    from dotenv import dotenv_values  # noqa: PLC0415 - `status` alone would pay for it

    found = dotenv_values(stream=StringIO(read_regular(path).decode(), newline=None), interpolate=False)
    return {name: value for name, value in found.items() if value is not None}


def add_secrets(environ: dict[str, str]) -> None:
    """Add the secrets of the service that this process is of: what is set already counts.

    Raises:
        ConfigError: they cannot be read.
    """
    path = Path(environ[SECRETS_FILE_VARIABLE])
    cure = "write it anew with `xopc gateway service install --force`"
    try:
        secrets = read_secrets(path)
    except UnicodeDecodeError:
        raise ConfigError("environment", Problem(SECRETS_FILE_VARIABLE, f"{path} is not UTF-8: {cure}")) from None
    except OSError as error:
        what = f"the service's secrets cannot be read from {path} ({error.strerror}): {cure}"
        raise ConfigError("environment", Problem(SECRETS_FILE_VARIABLE, what)) from None
    for name, value in secrets.items():
        environ.setdefault(name, value)


def _quoted(name: str, value: str) -> str:
    if "\0" in value:
        raise ServiceManagerError(f"the variable {name} holds a NUL, which no variable can")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ServiceManagerError(f"the variable {name} is not UTF-8, which a service's secrets have to be") from None
    return '"' + "".join(_ESCAPES.get(sign, sign) for sign in value) + '"'
