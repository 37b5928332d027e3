"""Which addresses the gateway listens at."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from attrs import frozen

from xopc.config.findings import Findings
from xopc.contracts.settings import BindMode, GatewaySettings
from xopc_supervisor.contract import Address, is_on

LOOPBACK = "127.0.0.1"
ALL_INTERFACES = "0.0.0.0"
TAILNET = ipaddress.IPv4Network("100.64.0.0/10")
"""The shared address space (RFC 6598) that Tailscale gives its addresses from."""


@frozen
class Binding:
    """Where to listen."""

    mode: BindMode
    """What was asked for; `auto` and `tailnet` say by `hosts` what came of it."""
    hosts: tuple[str, ...]
    """Addresses that are needed; the first is the main one."""
    optional_hosts: tuple[str, ...] = ()
    """Addresses to leave out where the host lacks them."""

    def addresses(self, port: int) -> tuple[Address, ...]:
        """Where to listen, the main address first."""
        needed = (Address(host, port) for host in self.hosts)
        return (*needed, *(Address(host, port, required=False) for host in self.optional_hosts))


@frozen
class Surroundings:
    """What the addresses depend on outside the configuration. Asked only when it matters."""

    in_container: Callable[[], bool]
    tailnet_address: Callable[[], str | None]


def resolve_binding(
    settings: GatewaySettings, flag: str | None, surroundings: Surroundings, findings: Findings
) -> Binding:
    """The addresses for `--bind`, else `gateway.bind`, else what `gateway.host` implies, else loopback."""
    mode, custom = _mode(settings, flag, findings)
    match mode:
        case BindMode.CUSTOM:
            if _is_ipv4(custom):
                return Binding(mode, (custom,))
            what = "gateway.bind=custom requires a valid IPv4 gateway.customBindHost, such as 192.168.1.20"
            findings.refuse("$.gateway.customBindHost", what)
        case BindMode.LAN:
            return Binding(mode, (ALL_INTERFACES,))
        case BindMode.AUTO if surroundings.in_container():
            return Binding(mode, (ALL_INTERFACES,))
        case BindMode.TAILNET:
            address = surroundings.tailnet_address()
            if address is not None:
                return Binding(mode, (address,))
            findings.warn("$.gateway.bind", f"no tailnet address ({TAILNET}) on this host; listening at {LOOPBACK}")
        case _:
            pass
    return Binding(mode, (LOOPBACK,), ("::1",))


def surroundings(environ: Mapping[str, str]) -> Surroundings:
    """The host that this process runs on."""
    return Surroundings(lambda: in_container(environ), tailnet_address)


def in_container(environ: Mapping[str, str], marker: Path = Path("/.dockerenv")) -> bool:
    """Whether this process runs in a container. `marker` is the file that Docker leaves there."""
    return is_on(environ.get("XOPC_CONTAINER")) or bool(environ.get("KUBERNETES_SERVICE_HOST")) or marker.exists()


def tailnet_address() -> str | None:
    """This host's IPv4 address in the tailnet."""
    import psutil  # noqa: PLC0415  20 ms that only this bind mode needs

    interfaces = psutil.net_if_addrs().items()
    return pick_tailnet_address((name, address.address) for name, addresses in interfaces for address in addresses)


def pick_tailnet_address(addresses: Iterable[tuple[str, str]]) -> str | None:
    """The first tailnet address of (interface, address) pairs.

    An interface that is Tailscale's by its name comes first: a provider's own network may use the same range.
    """
    found = [(name, text) for name, text in addresses if _is_ipv4(text) and ipaddress.IPv4Address(text) in TAILNET]
    found.sort(key=lambda pair: not pair[0].lower().startswith("tailscale"))
    return found[0][1] if found else None


def _mode(settings: GatewaySettings, flag: str | None, findings: Findings) -> tuple[BindMode, str]:
    """The mode, and the address for `custom`."""
    custom = settings.custom_bind_host or ""
    if flag is not None:
        try:
            return BindMode(flag), custom
        except ValueError:
            findings.refuse("--bind", f'Invalid --bind mode "{flag}". Use: loopback, lan, auto, custom, tailnet.')
            return BindMode.LOOPBACK, custom
    implied = _implied(settings.host)
    if settings.bind is not None:
        if settings.host and implied is not settings.bind:
            findings.warn("$.gateway.host", "is ignored, because gateway.bind is set: remove one of them")
        return settings.bind, custom
    if implied is None:
        findings.refuse("$.gateway.host", "must be an IPv4 address or localhost: better, set gateway.bind in its place")
    if implied is BindMode.CUSTOM:
        return implied, (settings.host or "").strip()
    return implied or BindMode.LOOPBACK, custom


def _implied(host: str | None) -> BindMode | None:
    """What the older key `gateway.host` means; None where it means nothing."""
    match (host or "").strip().lower():
        case "" | "localhost" | "127.0.0.1" | "::1":
            return BindMode.LOOPBACK
        case "0.0.0.0" | "::":
            return BindMode.LAN
        case name:
            return BindMode.CUSTOM if _is_ipv4(name) else None


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
