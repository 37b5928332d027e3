"""Which web pages may use the API, and under which names the gateway may be reached: pure functions of headers.

A browser tells the origin of the page that asks (`Origin`), and the name that it has connected to (`Host`). The name
matters as well, because whoever owns a name may let it lead to this machine (DNS rebinding): the browser then takes
his page and the gateway for one. An address, or a name that no stranger can own, cannot be turned like that.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable

from attrs import frozen

from xopc.config.bind import ALL_INTERFACES
from xopc.contracts.origins import ANY, Origin, as_address, is_loopback_host, split_host
from xopc.contracts.settings.file import GatewaySettings
from xopc.server.door.client_address import Client

DOCKER_HOST = "host.docker.internal"
"""What containers call their host. Its names are the engine's to give."""
LOCAL_PAGES = "loopback"
SAME_HOST = "same-host"
ALL_PAGES = "*"
UNNAMED_PAGES = "unnamed"
"""These stand for many pages: whoever may choose his page freely must not have a fresh count for each. The last is
whoever shows a token in the URL, which any page can have a browser do, with `<img src>`, and without its origin."""
FOREIGN_SITES = frozenset({"cross-site", "same-site"})
"""What `Sec-Fetch-Site` says of a page of another origin (Fetch Metadata, section 2.3)."""


@frozen
class Names:
    """What the configuration and the machine say of origins and hosts."""

    origins: frozenset[Origin] = frozenset()
    any_origin: bool = False
    hosts: frozenset[str] = frozenset()
    domains: tuple[str, ...] = ()
    """`.example.net`: all names below it."""
    any_host: bool = False
    own: frozenset[tuple[str, int]] = frozenset()
    """Host and port of each address of its own that it listens at."""
    takes_short_names: bool = False
    """Whether names without a dot are good: it listens on a network, whose names those are."""
    trusts_same_host: bool = False
    """Whether a page of the same host passes wherever its reader is."""

    @classmethod
    def of(cls, settings: GatewaySettings, bound: Iterable[str], port: int, machine: Collection[str]) -> Names:
        """`bound` are the addresses that it listens at, `machine` the names of this machine."""
        bound = tuple(bound)
        origins = frozenset(Origin.parse(text) for text in settings.cors_origins if text != ANY)
        allowed = [text.lower().removesuffix(".") for text in settings.allowed_hosts]
        plain = (split_host(text)[0] for text in allowed if not text.startswith(ANY))
        return cls(
            origins=origins,
            any_origin=ANY in settings.cors_origins,
            hosts=frozenset({*plain, *machine, *(origin.host for origin in origins), DOCKER_HOST}),
            domains=tuple(text.removeprefix(ANY) for text in allowed if text.startswith("*.")),
            any_host=ANY in allowed,
            own=frozenset((host, port) for host in bound if host != ALL_INTERFACES),
            takes_short_names=not all(is_loopback_host(host) for host in bound),
            trusts_same_host=settings.dangerously_allow_host_header_origin_fallback,
        )

    def include(self, host: str) -> bool:
        """Whether the gateway may be reached under this name: one that no stranger can let lead here."""
        return (
            self.any_host
            or is_loopback_host(host)
            or as_address(host) is not None
            or host in self.hosts
            or host.endswith(self.domains or ("\n",))
            or (self.takes_short_names and "." not in host)
        )


def machine_names() -> frozenset[str]:
    """What this machine is called, on its network and by multicast DNS."""
    name = socket.gethostname().lower().removesuffix(".")
    short = name.partition(".")[0]
    return frozenset({name, short, f"{short}.local"}) - {""}


def browser_of(origin: str, host: str, client: Client, names: Names) -> str | None:
    """The name of those pages that this one counts as, or None where it may not use the API.

    A page passes that is listed; that comes from this machine, where its reader is; or that comes from the gateway
    itself, as told by `Host`, where no name can be turned and the reader, or a trusted proxy, is near.
    """
    try:
        page = Origin.parse(origin)
    except ValueError:
        return None
    if page in names.origins or (page.host, page.port) in names.own:
        return str(page)
    if client.is_local and is_loopback_host(page.host):
        return LOCAL_PAGES
    if (client.is_local or client.is_behind_proxy or names.trusts_same_host) and _is_host_of(page, host, names):
        return SAME_HOST
    return ALL_PAGES if names.any_origin else None


def refused_host(host: str, names: Names) -> str | None:
    """Why nobody may reach the gateway under the name in `Host`, and what to do; None where it is good, or empty."""
    if not host:
        return None
    try:
        name, _ = split_host(host)
    except ValueError:
        return "The Host header is not the name of a host, with or without a port."
    if names.include(name):
        return None
    shown = name if len(name) <= 80 else f"{name[:80]}…"
    return f'The gateway does not go by the name "{shown}". If it is yours, add it to gateway.allowedHosts.'


def _is_host_of(page: Origin, host: str, names: Names) -> bool:
    try:
        name, port = split_host(host)
    except ValueError:
        return False
    default = Origin(page.scheme, name, 443 if page.scheme == "https" else 80)
    return names.include(name) and page == Origin(page.scheme, name, port or default.port)
