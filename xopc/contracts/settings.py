"""The configuration file as typed values: one class per section, its defaults, and what each key means.

Attribute names are the file's keys in snake case (`customBindHost` is `custom_bind_host`).
"""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen


class BindMode(Enum):
    """Which addresses the gateway listens at."""

    LOOPBACK = "loopback"
    LAN = "lan"
    AUTO = "auto"
    TAILNET = "tailnet"
    CUSTOM = "custom"


class AuthMode(Enum):
    """What a client has to present."""

    TOKEN = "token"  # noqa: S105  the name of a mode
    PASSWORD = "password"  # noqa: S105  the name of a mode
    NONE = "none"


@frozen
class AuthSettings:
    """`gateway.auth`: who may talk to the gateway."""

    mode: AuthMode | None = None
    """Default: token."""
    token: str | None = field(default=None, repr=False)
    """At least 16 characters. Generated, and written to the file, when there is none."""
    password: str | None = field(default=None, repr=False)
    """At least 8 characters, for mode `password`. Excludes `token`."""


def _is_port(_: object, __: object, port: int) -> None:
    if not 1 <= port <= 65535:
        raise ValueError("must be 1 to 65535")


@frozen
class GatewaySettings:
    """`gateway`: where it listens, and whom it lets in."""

    bind: BindMode | None = None
    """Default: loopback, or what `host` implies."""
    custom_bind_host: str | None = None
    """The IPv4 address for `bind: custom`."""
    host: str | None = None
    """Older spelling of `bind`: an address."""
    port: int = field(default=18790, validator=_is_port)
    """1 to 65535."""
    auth: AuthSettings = AuthSettings()


@frozen
class CommandSettings:
    """`commands`: what may be asked of a running gateway."""

    restart: bool = True
    """Whether SIGUSR1, `xopc gateway restart` and `POST /api/restart` restart it."""


@frozen
class Settings:
    """`xopc.json`."""

    gateway: GatewaySettings = GatewaySettings()
    commands: CommandSettings = CommandSettings()
