"""Which addresses the gateway listens at."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from attrs import frozen

from xopc.config.findings import Findings
from xopc.contracts.errors import Problem
from xopc.contracts.settings.file import BindMode, GatewaySettings
from xopc_supervisor.contract import Address, is_on

LOOPBACK = "127.0.0.1"
ALL_INTERFACES = "0.0.0.0"
TAILNET = ipaddress.IPv4Network("100.64.0.0/10")
"""The shared address space (RFC 6598) that Tailscale gives its addresses from."""
CUSTOM_REQUIRES = "gateway.bind=custom requires a valid IPv4 gateway.customBindHost"


@frozen
class Lack:
    """What this host does not have, or not yet, and loopback stands in for."""

    address: str
    """An address; for `tailnet` the network that it would be of."""
    problem: Problem
    required: bool
    """Whether that is a problem, as of an address that somebody wrote down. To be without a tailnet is a warning."""

    @property
    def refusal(self) -> Problem:
        """Why whoever may not make do with loopback goes without."""
        what = f"{CUSTOM_REQUIRES}, and there is {self.problem.what}"
        return Problem(self.problem.path, f"{what}: name one that it has, or set gateway.bind to loopback, lan or auto")


@frozen
class Binding:
    """Where to listen."""

    mode: BindMode
    """What was asked for; `auto` and `tailnet` say by `hosts` what came of it."""
    hosts: tuple[str, ...]
    """Addresses that are needed; the first is the main one."""
    optional_hosts: tuple[str, ...] = ()
    """Addresses to leave out where the host lacks them."""
    lack: Lack | None = None
    """Why `hosts` is not what was asked for."""

    def addresses(self, port: int) -> tuple[Address, ...]:
        """Where to listen, the main address first."""
        needed = (Address(host, port) for host in self.hosts)
        return (*needed, *(Address(host, port, required=False) for host in self.optional_hosts))


@frozen
class Surroundings:
    """What the addresses depend on outside the configuration. Asked only when it matters."""

    in_container: Callable[[], bool]
    tailnet_address: Callable[[], str | None]
    has_address: Callable[[str], bool]


def resolve_binding(
    settings: GatewaySettings, flag: str | None, surroundings: Surroundings, findings: Findings
) -> Binding:
    """The addresses for `--bind`, else `gateway.bind`, else what `gateway.host` implies, else loopback.

    Loopback stands in for those that this host lacks, and `Binding.lack` says so.
    """
    lack: Lack | None = None
    mode, custom, key = _mode(settings, flag, findings)
    match mode:
        case BindMode.CUSTOM if _can_be_a_hosts(custom):
            if surroundings.has_address(custom):
                return Binding(mode, (custom,))
            lack = Lack(custom, Problem(key, f"no address {custom} on this host"), required=True)
        case BindMode.CUSTOM:
            findings.refuse("$.gateway.customBindHost", f"{CUSTOM_REQUIRES}, such as 192.168.1.20")
        case BindMode.LAN:
            return Binding(mode, (ALL_INTERFACES,))
        case BindMode.AUTO if surroundings.in_container():
            return Binding(mode, (ALL_INTERFACES,))
        case BindMode.TAILNET:
            address = surroundings.tailnet_address()
            if address is not None:
                return Binding(mode, (address,))
            problem = Problem("$.gateway.bind", f"no tailnet address ({TAILNET}) on this host")
            findings.warn(problem.path, f"{problem.what}; listening at {LOOPBACK} until there is one")
            lack = Lack(str(TAILNET), problem, required=False)
        case _:
            pass
    return Binding(mode, (LOOPBACK,), ("::1",), lack)


def surroundings(environ: Mapping[str, str]) -> Surroundings:
    """The host that this process runs on."""
    return Surroundings(lambda: in_container(environ), tailnet_address, has_address)


def in_container(environ: Mapping[str, str], marker: Path = Path("/.dockerenv")) -> bool:
    """Whether this process runs in a container. `marker` is the file that Docker leaves there."""
    return is_on(environ.get("XOPC_CONTAINER")) or bool(environ.get("KUBERNETES_SERVICE_HOST")) or marker.exists()


def has_address(host: str) -> bool:
    """Whether one can listen at this IPv4 address here. The kernel decides, since not all of them are an interface's:
    127.0.0.2, routes of type `local`, `net.ipv4.ip_nonlocal_bind`.

    Raises:
        OSError: the system is out of descriptors.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL  # any other one is told by whoever listens in earnest
    return True


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


def _mode(settings: GatewaySettings, flag: str | None, findings: Findings) -> tuple[BindMode, str, str]:
    """The mode, the address for `custom`, and the key that it stands under."""
    custom, key = settings.custom_bind_host or "", "$.gateway.customBindHost"
    if flag is not None:
        try:
            return BindMode(flag), custom, key
        except ValueError:
            findings.refuse("--bind", f'Invalid --bind mode "{flag}". Use: loopback, lan, auto, custom, tailnet.')
            return BindMode.LOOPBACK, custom, key
    implied = _implied(settings.host)
    if settings.bind is not None:
        if settings.host and implied is not settings.bind:
            findings.warn("$.gateway.host", "is ignored, because gateway.bind is set: remove one of them")
        return settings.bind, custom, key
    if implied is None:
        findings.refuse("$.gateway.host", "must be an IPv4 address or localhost: better, set gateway.bind in its place")
    if implied is BindMode.CUSTOM:
        return implied, (settings.host or "").strip(), "$.gateway.host"
    return implied or BindMode.LOOPBACK, custom, key


def _implied(host: str | None) -> BindMode | None:
    """What the older key `gateway.host` means; None where it means nothing."""
    match (host or "").strip().lower():
        case "" | "localhost" | "127.0.0.1" | "::1":
            return BindMode.LOOPBACK
        case "0.0.0.0" | "::":
            return BindMode.LAN
        case name:
            return BindMode.CUSTOM if _is_ipv4(name) else None


def _can_be_a_hosts(text: str) -> bool:
    """Whether one could connect to it. The kernel listens at 224.0.0.1 and 255.255.255.255, too."""
    return _is_ipv4(text) and not (ipaddress.IPv4Address(text).is_multicast or ipaddress.IPv4Address(text).is_reserved)


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
