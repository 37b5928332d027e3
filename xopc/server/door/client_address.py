"""Who a client is: told by its connection, or by a reverse proxy that the configuration trusts.

A header can be written by anybody, so it counts only where the connection itself comes from a trusted proxy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TypeAlias

from attrs import frozen

from xopc.contracts.origins import as_address, split_host
from xopc.contracts.settings.file import GatewaySettings

Address: TypeAlias = IPv4Address | IPv6Address

UNKNOWN = "unknown"
"""A peer that has no address."""
IPV6_PREFIX = 64
"""A network of IPv6 that one client is given, and whose addresses it may use as it likes."""
MAX_HOPS = 32


@frozen
class Proxies:
    """The reverse proxies whose word counts."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    takes_real_ip: bool = False

    @classmethod
    def of(cls, settings: GatewaySettings) -> Proxies:
        networks = tuple(ip_network(text, strict=False) for text in settings.trusted_proxies)
        return cls(networks, settings.allow_real_ip_fallback)

    def include(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self.networks)


@frozen
class Client:
    """The other end of a request."""

    address: str
    """`192.0.2.7`, `2001:db8::7`; that of the proxy, where it does not tell."""
    network: str
    """What stands for this client where its failures are counted: for IPv6 its whole /64."""
    is_local: bool
    """It has connected from this machine, and nothing says that it is a proxy."""
    is_behind_proxy: bool = False
    """A trusted proxy speaks for it."""
    is_unheard: bool = False
    """It says that it is a proxy, but is not trusted: all its clients count as one."""


def client_of(peer: str, headers: Iterable[tuple[bytes, bytes]], proxies: Proxies) -> Client:
    """The client of a request: `peer` is the address at the other end of its connection.

    Of `X-Forwarded-For`, the last hop that is no trusted proxy; what stands before it, anybody may have written.
    """
    address = _address(peer)
    hops: list[str] = []
    real_ip: list[str] = []
    is_forwarded = False
    for name, value in headers:
        match name.lower():
            case b"x-forwarded-for":
                hops += value.decode("latin1").split(",")
                is_forwarded = True
            case b"x-real-ip":
                real_ip.append(value.decode("latin1"))
                is_forwarded = True
            case b"forwarded" | b"x-forwarded-host" | b"x-forwarded-proto":
                is_forwarded = True
            case _:
                pass
    if not is_forwarded or not proxies.include(address):
        is_local = address is not None and address.is_loopback and not is_forwarded
        return _client(address, is_local=is_local, is_unheard=is_forwarded)
    if not hops and proxies.takes_real_ip:
        hops = real_ip[:1]
    return _client(_last_stranger(hops, proxies) or address, is_behind_proxy=True)


def network_of(address: str) -> str:
    """What stands for a client with this address where its failures are counted.

    Raises:
        ValueError: it is no address.
    """
    parsed = _address(address)
    if parsed is None:
        raise ValueError("not an address")
    return _network(parsed)


def _last_stranger(hops: Sequence[str], proxies: Proxies) -> Address | None:
    """From the end, the first address that is no trusted proxy; the first of all where all are. None where it cannot
    be told: a hop that is no address, or nothing but more of them than anybody has."""
    address = None
    for hop in list(reversed(hops))[:MAX_HOPS]:
        address = _address(hop)
        if not proxies.include(address):
            return address
    return address if len(hops) <= MAX_HOPS else None


def _client(
    address: Address | None, *, is_local: bool = False, is_behind_proxy: bool = False, is_unheard: bool = False
) -> Client:
    if address is None:
        return Client(UNKNOWN, UNKNOWN, is_local, is_behind_proxy, is_unheard)
    return Client(str(address), _network(address), is_local, is_behind_proxy, is_unheard)


def _network(address: Address) -> str:
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address), IPV6_PREFIX), strict=False))
    return str(address)


def _address(text: str) -> Address | None:
    """The address in a text that may add a port, brackets, quotes or a zone."""
    text = text.strip().strip('"').partition("%")[0]
    address = as_address(text)
    if address is not None:
        return address
    try:
        return as_address(split_host(text)[0])
    except ValueError:
        return None
