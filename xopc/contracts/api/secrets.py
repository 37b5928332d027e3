"""The bodies of the API for secrets."""

from __future__ import annotations

from attrs import field, frozen


@frozen
class SecretsReload:
    """What came of looking up all secrets again."""

    warning_count: int
    """So many warnings are in the log: secrets that are missing where something is off, among them."""
    hot: tuple[str, ...] = ()
    """Keys that took effect at once: `channels.telegram.botToken`."""
    restart: tuple[str, ...] = ()
    """Keys that take effect with a restart."""


@frozen
class SecretsReloaded:
    """`POST /api/secrets/reload`."""

    ok: bool = field(default=True, kw_only=True)
    payload: SecretsReload
