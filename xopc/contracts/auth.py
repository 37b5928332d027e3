"""Scopes and credentials, as values."""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen


class AuthMode(Enum):
    """What a client has to present."""

    TOKEN = "token"  # noqa: S105  the name of a mode
    PASSWORD = "password"  # noqa: S105  the name of a mode
    NONE = "none"


class Scope(Enum):
    """What a caller may do. Each scope includes those below it: admin > write > read."""

    READ = "operator.read"
    WRITE = "operator.write"
    ADMIN = "operator.admin"

    def includes(self, other: Scope) -> bool:
        order = list(Scope)
        return order.index(self) >= order.index(other)


class SecretSource(Enum):
    """Where the secret in force came from, strongest first."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    CONFIG = "config"
    GENERATED = "generated"


@frozen
class Auth:
    """The authentication in force: resolved from flags, environment and file, and found strong enough."""

    mode: AuthMode
    secret: str | None = field(default=None, repr=False)
    """The token or the password; None in mode `none` alone."""
    source: SecretSource | None = None


@frozen
class RateLimit:
    """How often one client may present a wrong credential."""

    enabled: bool = True
    max_attempts: int = 5
    """So many wrong ones within the window block the client."""
    window_seconds: float = 900
    block_seconds: float = 300
    exempt_loopback: bool = False
    """Whether clients on this machine are never blocked; browsers are all the same."""
    is_configured: bool = False
    """Whether somebody has set it."""
