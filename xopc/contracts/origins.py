"""Web origins and the names of hosts, as the configuration and browsers write them."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from attrs import frozen

ANY = "*"
"""In a list of origins or hosts: each."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})*\.?")


@frozen
class Origin:
    """Scheme, host and port of a page (RFC 6454), in lower case; the port is always there."""

    scheme: str
    host: str
    """A name without a dot at its end, or an address; that of IPv6 without brackets."""
    port: int

    @classmethod
    def parse(cls, text: str) -> Origin:
        """The origin in `https://desk.example.com`; a slash at its end is forgiven.

        Raises:
            ValueError: it is not the origin of a page of the web.
        """
        parts = urlsplit(text.removesuffix("/"))
        if parts.scheme not in _DEFAULT_PORTS or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("not an origin")
        host, port = split_host(parts.netloc)
        return cls(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme])

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        shown_port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{shown_port}"


def split_host(text: str) -> tuple[str, int | None]:
    """Host and port of `desk.example.com:8080` or `[::1]:8080`, in lower case; the port where there is one.

    Raises:
        ValueError: it names no host.
    """
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::([0-9]{1,5}))?", text)
    plain = re.fullmatch(r"([^:\[\]/?#@\s]+)(?::([0-9]{1,5}))?", text)
    found = bracketed or plain
    if found is None:
        raise ValueError("not a host")
    host, port = found[1].lower(), int(found[2]) if found[2] else None
    if bracketed:
        host = str(IPv6Address(host))
    elif not _NAME.fullmatch(host):
        raise ValueError("not a host")
    if port is not None and not 1 <= port <= 65535:
        raise ValueError("not a port")
    return host.removesuffix("."), port


def as_address(host: str) -> IPv4Address | IPv6Address | None:
    """The IP address that a host is written as; None for a name. One of IPv4 that is mapped into IPv6 is of IPv4."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback_host(host: str) -> bool:
    """Whether a host, as `split_host` gives it, is this machine for whoever asks: by address, or `localhost`."""
    address = as_address(host)
    if address is not None:
        return address.is_loopback
    return host == "localhost" or host.endswith(".localhost")
