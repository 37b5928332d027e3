"""The listening sockets: bound before the gateway's code is loaded, open for as long as the supervisor lives.

Whoever wants other addresses keeps the sockets that are still right, so that the connections that wait at them are
kept, too, and binds the rest beside those that are given up, before anything is given up.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Generator, Iterable, Sequence

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


def listen(addresses: Iterable[Address], kept: Sequence[socket.socket] = ()) -> list[socket.socket]:
    """Listen at all addresses, the first of which decides what port 0 stands for: with a kept socket where one is
    bound there (at any port, for port 0), else with a new one, also where a kept one covers the same port.

    In the order of the addresses, without those that are not required and that the host lacks, or where somebody
    else listens. Kept ones that are not among them are wanted no more, and go on listening all the same.

    *Ownership*: the caller closes them. Either all that are required listen, or no new one is left open.

    Raises:
        PortTakenError: somebody else listens there.
        AddressMissingError: a required address is not on this machine.
        OSError: the port may not be used (`EACCES` below 1024), or the system refuses otherwise.
    """
    spare = [listener for listener in kept if _is_listening(listener)]
    listeners: list[socket.socket] = []
    new: list[socket.socket] = []
    try:
        for address in addresses:
            port = address.port or (_port(listeners[0]) if listeners else 0)
            listener = next((one for one in spare if _is_bound_to(one, address.host, port)), None)
            if listener is not None:
                spare.remove(listener)
                listeners.append(listener)
            elif (listener := _bind(address, port, kept)) is not None:
                new.append(listener)
                listeners.append(listener)
    except BaseException:
        for listener in new:
            listener.close()
        raise
    return listeners


def close_others(listeners: Iterable[socket.socket], kept: Sequence[socket.socket]) -> None:
    """Close all of `listeners` that are not among `kept`."""
    for listener in listeners:
        if listener not in kept:
            listener.close()


def _bind(address: Address, port: int, kept: Iterable[socket.socket]) -> socket.socket | None:
    """A new socket for an address, or None where that is not required and missing or taken."""
    try:
        try:
            return _listen_at(address.host, port)
        except OSError as error:
            rivals = [listener for listener in kept if listener.family in _INTERNET and _port(listener) == port]
            if error.errno != errno.EADDRINUSE or not rivals:
                raise
            with _sharing(rivals):
                return _listen_at(address.host, port, shared=True)
    except OSError as error:
        if not address.required and error.errno in _DISPENSABLE:
            return None
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(address.host, port) from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise AddressMissingError(address.host) from error
        raise


def _listen_at(host: str, port: int, *, shared: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Connections of the last run that the kernel still holds in TIME_WAIT must not keep the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        with _sharing([listener] if shared else []):
            listener.bind((host, port))
            listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


@contextlib.contextmanager
def _sharing(listeners: Iterable[socket.socket]) -> Generator[None]:
    """Let sockets listen side by side at one port, as at 0.0.0.0 and 127.0.0.1: a connection goes to the more exact.

    Linux allows that where all of them have SO_REUSEPORT while they are bound, and to processes of one user only.
    Cleared again, it keeps the port from everybody else: all but a process of the same user that sets it itself.
    """
    for listener in listeners:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        yield
    finally:
        for listener in listeners:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)


_INTERNET = (socket.AF_INET, socket.AF_INET6)
_DISPENSABLE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EADDRINUSE}
"""Why an address may be left out that is not required. Without memory or descriptors nothing is left out."""


def _is_listening(listener: socket.socket) -> bool:
    return bool(
        listener.family in _INTERNET
        and listener.type is socket.SOCK_STREAM
        and listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    )


def _is_bound_to(listener: socket.socket, host: str, port: int) -> bool:
    try:
        wanted = socket.inet_pton(listener.family, host)
    except OSError:
        return False
    bound = listener.getsockname()
    return wanted == socket.inet_pton(listener.family, bound[0].partition("%")[0]) and port in (0, bound[1])


def _port(listener: socket.socket) -> int:
    return listener.getsockname()[1]
