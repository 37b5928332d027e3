"""The bodies of the API for the configuration."""

from __future__ import annotations

from attrs import frozen


@frozen
class Reloaded:
    """What came of reading the configuration file again."""

    reloaded: bool
    """Whether what the file says is in force, or will be after the restart that it takes; false where it is refused."""
    hot: tuple[str, ...] = ()
    """Keys that took effect at once: `gateway.corsOrigins`."""
    restart: tuple[str, ...] = ()
    """Keys that take effect with a restart."""
    error: str | None = None
    """Why the file is refused, with the path of each problem; nothing has changed then."""
