"""`gateway.auth`, and what else says who may come in from where."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from ipaddress import ip_network

from attrs import field, frozen

from xopc.contracts.auth import AuthMode, Scope
from xopc.contracts.convert import spelled
from xopc.contracts.origins import ANY, Origin, split_host

MAX_TOKENS = 100
MAX_ORIGINS = 1000


def _at_least(least: float) -> Callable[[object, object, float], None]:
    def check(_: object, __: object, value: float) -> None:
        if value < least:
            raise ValueError(f"must be {least:g} or more")

    return check


@frozen
class RateLimitSettings:
    """`gateway.auth.rateLimit`: how often one client may present a wrong credential."""

    enabled: bool = True
    max_attempts: float = 5
    """So many wrong ones within the window block the client. 1 where it is less, and a whole number below."""
    window_ms: float = 900_000
    """1000 where it is less."""
    block_duration_ms: float = field(default=300_000, metadata=spelled("blockDurationMs", "lockoutMs"))
    """1000 where it is less."""
    exempt_loopback: bool = False
    """Whether clients on this machine are never blocked; browsers are all the same."""


def _is_token_name(_: object, __: object, name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ValueError("must be 1 to 64 letters, digits, dots, dashes and underscores")


def _is_sha256(_: object, __: object, digest: str) -> None:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        raise ValueError("must be the SHA-256 of the token, 64 hex digits: xopc gateway token create makes one")


def _are_scopes(_: object, __: object, scopes: tuple[Scope, ...]) -> None:
    if not scopes:
        raise ValueError("must name a scope: operator.read, operator.write or operator.admin")


@frozen
class AccessToken:
    """One of `gateway.auth.tokens`: a token of its own for one client, with what it may do."""

    name: str = field(validator=_is_token_name)
    """Names the client in the log."""
    sha256: str = field(validator=_is_sha256, repr=False)
    """Of the token, in hex. The token itself stands nowhere."""
    scopes: tuple[Scope, ...] = field(validator=_are_scopes)
    """Each includes those below it."""


def _have_different_names(_: object, __: object, tokens: tuple[AccessToken, ...]) -> None:
    names = [token.name for token in tokens]
    if len(names) > MAX_TOKENS:
        raise ValueError(f"must be at most {MAX_TOKENS} tokens")
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"names the token {min(twice)} twice: keep one")


def _are_logins(_: object, __: object, logins: tuple[str, ...]) -> None:
    for number, login in enumerate(logins):
        if not re.fullmatch(r"[^\s@,*]+@[^\s@,*]+", login):
            raise ValueError(f"its item {number} must be a login of the tailnet, such as amy@example.com")


@frozen
class AuthSettings:
    """`gateway.auth`: who may talk to the gateway."""

    mode: AuthMode | None = None
    """Default: token."""
    token: str | None = field(default=None, repr=False)
    """At least 16 characters. Generated, and written to the file, when there is none."""
    password: str | None = field(default=None, repr=False)
    """At least 8 characters, for mode `password`. Excludes `token`."""
    tokens: tuple[AccessToken, ...] = field(default=(), validator=_have_different_names)
    """Further tokens, beside the token or the password, that may do less."""
    allow_tailscale: bool = False
    """Whether those whom Tailscale Serve vouches for, and `tailscale_users` names, need no token."""
    tailscale_users: tuple[str, ...] = field(default=(), validator=_are_logins)
    """Logins of the tailnet: `amy@example.com`. They may do everything."""
    rate_limit: RateLimitSettings | None = None
    """Default: 5 wrong ones in 15 minutes block a client for 5 minutes."""


@frozen
class SecuritySettings:
    """`gateway.security`."""

    strict: bool = False
    """Whether the gateway refuses to start where the security audit finds something critical."""


def are_origins(_: object, __: object, origins: tuple[str, ...]) -> None:
    """Validator of a list of web origins."""
    if len(origins) > MAX_ORIGINS:
        raise ValueError(f"must be at most {MAX_ORIGINS} origins")
    for number, text in enumerate(origins):
        _check_item(number, text, Origin.parse, "* or an origin such as https://desk.example.com")


def are_hosts(_: object, __: object, hosts: tuple[str, ...]) -> None:
    """Validator of a list of host names."""
    for number, text in enumerate(hosts):
        _check_item(
            number, text.removeprefix("*."), _parse_bare_host, "*, a host such as desk.example.com, or *.example.com"
        )


def are_networks(_: object, __: object, networks: tuple[str, ...]) -> None:
    """Validator of a list of IP addresses and networks."""
    for number, text in enumerate(networks):
        _check_item(number, text, lambda text: ip_network(text, strict=False), "an IP address or a network, 10.0.0.0/8")


def _parse_bare_host(text: str) -> None:
    if split_host(text)[1] is not None:
        raise ValueError("a port")


def _check_item(number: int, text: str, parse: Callable[[str], object], what: str) -> None:
    if text == ANY and what.startswith(ANY):
        return
    try:
        parse(text)
    except ValueError:
        raise ValueError(f"its item {number} must be {what}") from None


class ReloadMode(Enum):
    """What happens when the configuration file changes."""

    OFF = "off"
    """Nothing, until a restart."""
    HOT = "hot"
    """What can be applied to a running gateway is; the rest waits for a restart."""
    RESTART = "restart"
    """The gateway restarts."""
    HYBRID = "hybrid"
    """What can be applied is, and the gateway restarts where that is not enough."""


@frozen
class ReloadSettings:
    """`gateway.reload`."""

    mode: ReloadMode = ReloadMode.HYBRID
    debounce_ms: int = field(default=300, validator=_at_least(0))
    """The file counts as changed when it has stayed the same for so long."""
