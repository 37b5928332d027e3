"""The file of secrets that an installed service names in its environment."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from xopc.service.managers.base import SECRETS_FILE_VARIABLE
from xopc.service.managers.secrets_file import read_secrets


def secrets_of(environment: Mapping[str, str]) -> dict[str, str]:
    """What stands in it; nothing where there is none, or it cannot be read."""
    path = environment.get(SECRETS_FILE_VARIABLE)
    if path:
        with suppress(OSError, ValueError):
            return read_secrets(Path(path))
    return {}


def remove_secrets(environment: Mapping[str, str]) -> None:
    """Remove it, and its directory when nothing else is in there."""
    path = environment.get(SECRETS_FILE_VARIABLE)
    if path:
        Path(path).unlink(missing_ok=True)
        with suppress(OSError):
            Path(path).parent.rmdir()  # another profile may have its own in there
