"""Scopes and credentials, as values."""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen

from xopc.contracts.settings import AuthMode


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
