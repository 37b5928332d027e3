"""The descriptor store of a service manager: it keeps the listening sockets while no supervisor lives.

A connection that is made between the end of one supervisor and the start of the next waits in the backlog, as it does
while a child restarts. The sockets come back in the way of socket activation (sd_listen_fds(3)), where they meet those
of a `.socket` unit, which are taken just the same. For the store see FileDescriptorStoreMax in systemd.service(5).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterable, MutableMapping
from typing import NamedTuple

from xopc_supervisor.notify import notify

FIRST_FD = 3


class Handed(NamedTuple):
    """A socket that the service manager handed over."""

    name: str
    """Under which the manager keeps it."""
    socket: socket.socket


def adopt(environ: MutableMapping[str, str], pid: int) -> list[Handed]:
    """Take over what the service manager hands to this process, close-on-exec, and the variables that say so out of
    `environ`. What is not a socket is closed and leaves the store.

    *Ownership*: the caller closes the sockets, see `leave`.
    """
    meant_for = environ.pop("LISTEN_PID", "")
    count = environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if meant_for != str(pid) or not count.isdecimal():
        return []
    handed: list[Handed] = []
    for number in range(int(count)):
        fd = FIRST_FD + number
        name = names[number] if number < len(names) else ""
        try:
            os.set_inheritable(fd, False)
        except OSError:
            break  # fewer came than were announced
        try:
            handed.append(Handed(name, socket.socket(fileno=fd)))
        except OSError:
            os.close(fd)
            _forget(name)
    return handed


def leave(handed: Iterable[Handed], listeners: Collection[socket.socket]) -> None:
    """Close those of the handed sockets that are not among `listeners`, and let the manager do the same."""
    for name, one in handed:
        if one not in listeners:
            _forget(name)
            one.close()


def keep(listeners: Iterable[socket.socket], before: Collection[str] = ()) -> frozenset[str]:
    """Let the manager keep these sockets, and of those that it kept before none but these.

    Returns the names under which it does, for the next call. It knows what it has, so that telling it twice is
    harmless; without a manager nothing happens.
    """
    named = {_name(listener): listener for listener in listeners}
    for name in before:
        if name not in named:
            _forget(name)
    for name, listener in named.items():
        # One by one: all descriptors of a message get its one name.
        notify("FDSTORE=1", f"FDNAME={name}", descriptors=(listener.fileno(),))
    return frozenset(named)


def _forget(name: str) -> None:
    if name:
        notify("FDSTOREREMOVE=1", f"FDNAME={name}")


def _name(listener: socket.socket) -> str:
    """Of a socket in the store, where a colon is not allowed."""
    host, port = listener.getsockname()[:2]
    return f"listen-{port}-{host.replace(':', '_')}"
