"""The listening sockets: bound before the gateway's code is loaded, open for as long as the supervisor lives."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable

from xopc_supervisor.contract import Address

BACKLOG = 2048
"""Connections that wait while the gateway restarts; the kernel cuts it to net.core.somaxconn."""


class PortTakenError(Exception):
    """Another process listens at an address."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"port {port} at {host} is already in use")
        self.host = host
        self.port = port


class AddressMissingError(Exception):
    """The machine does not have an address (yet)."""

    def __init__(self, host: str) -> None:
        super().__init__(f"this machine has no address {host}")
        self.host = host


def listen(addresses: Iterable[Address]) -> list[socket.socket]:
    """Bind and listen at all addresses, the first of which decides what port 0 stands for.

    *Ownership*: the caller closes them. Either all that are required listen, or none is left open.

    Raises:
        PortTakenError: somebody else listens there.
        AddressMissingError: a required address is not on this machine.
        OSError: the port may not be used (`EACCES` below 1024), or the system refuses otherwise.
    """
    bound: list[socket.socket] = []
    try:
        for address in addresses:
            port = address.port or (bound[0].getsockname()[1] if bound else 0)
            try:
                bound.append(_listen_at(address.host, port))
            except OSError as error:
                if not address.required:
                    continue
                if error.errno == errno.EADDRINUSE:
                    raise PortTakenError(address.host, port) from error
                if error.errno == errno.EADDRNOTAVAIL:
                    raise AddressMissingError(address.host) from error
                raise
    except BaseException:
        for open_socket in bound:
            open_socket.close()
        raise
    return bound


def _listen_at(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Connections of the last run that the kernel still holds in TIME_WAIT must not keep the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener
