"""From flags, environment and file to the configuration in force."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from xopc.config.bind import Binding
from xopc.config.paths import Paths
from xopc.contracts.auth import Auth
from xopc.contracts.settings import Settings


@frozen
class Flags:
    """Command-line settings, which outrank environment and file."""

    port: int | None = None
    """0 asks the kernel for a free port."""
    bind: str | None = None
    token: str | None = field(default=None, repr=False)


@frozen
class Resolved:
    """The configuration in force. Resolving it again, with the same flags, is a reload."""

    paths: Paths
    settings: Settings
    auth: Auth
    binding: Binding
    port: int
    warnings: tuple[str, ...]
    """What was found odd but survivable, a sentence each."""


def resolve(environ: Mapping[str, str], flags: Flags) -> Resolved:
    """Read the file and weigh it against environment and flags. Changes nothing on disk.

    Raises:
        ConfigError: with a JSON path and a cure for each problem.
    """
    raise NotImplementedError
