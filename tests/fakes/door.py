"""Doors for tests that come through one."""

from __future__ import annotations

import trio

from xopc.config.tailscale import users_of
from xopc.contracts.auth import Auth, AuthMode, RateLimit, SecretSource
from xopc.contracts.settings.access import AccessToken
from xopc.contracts.settings.file import GatewaySettings
from xopc.server.door.auth import Credentials
from xopc.server.door.client_address import Proxies
from xopc.server.door.door import Door, Policy
from xopc.server.door.origin import Names

TOKEN = "an-invented-token-0123456789"
PORT = 18790


def policy(
    secret: str | None = TOKEN,
    mode: AuthMode = AuthMode.TOKEN,
    *,
    tokens: tuple[AccessToken, ...] = (),
    settings: GatewaySettings = GatewaySettings(),  # noqa: B008  frozen
    bound: tuple[str, ...] = ("127.0.0.1",),
    limit: RateLimit = RateLimit(),  # noqa: B008  frozen
    machine: tuple[str, ...] = ("workstation",),
) -> Policy:
    """What a gateway with these settings lets in, at port 18790 of a machine with these names."""
    source = None if secret is None else SecretSource.CONFIG
    return Policy(
        credentials=Credentials.of(Auth(mode, secret, source), tokens),
        names=Names.of(settings, bound, PORT, machine),
        proxies=Proxies.of(settings),
        limit=limit,
        tailscale_users=users_of(settings.auth),
    )


def open_door(secret: str | None = TOKEN, mode: AuthMode = AuthMode.TOKEN) -> Door:
    """A door with one secret."""
    return Door(policy(secret, mode), clock=_clock)


def _clock() -> float:
    """trio's, also where a door is made outside of it."""
    return trio.current_time()
