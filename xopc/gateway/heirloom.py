"""How connections go from a gateway that ends to its successor: as descriptors, through a Unix socketpair.

The successor begins to read when the other one has ended, or nearly. Until then they wait in the kernel, which has
room for some 500 (`net.core.wmem_max` of 208 KiB, the default before Linux 6.16) or 10,000 (4 MiB, since then).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager

import structlog
import trio
from structlog.typing import FilteringBoundLogger

BUFFER_BYTES = 4 * 1024 * 1024
"""Asked of the kernel, which gives less where `net.core.wmem_max` says so. A descriptor takes 768 of them."""

_MAX_DESCRIPTORS = 253
"""In one message: SCM_MAX_FD of unix(7)."""
_log: FilteringBoundLogger = structlog.get_logger("xopc.gateway")


class Heirloom:
    """The giving end."""

    def __init__(self, fd: int) -> None:
        """*Ownership*: takes the descriptor, of one end of a stream socketpair; `close` closes it."""
        self._socket = socket.socket(fileno=fd)
        self._socket.set_inheritable(False)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)

    def give(self, client: socket.socket) -> bool:
        """Send a connection; never waits. False when the successor is gone, or the kernel has no room for more.

        *Ownership*: sends a duplicate; `client` stays the caller's. Once sent, it may be closed, but not shut down.
        """
        try:
            return socket.send_fds(self._socket, [b"\0"], [client.fileno()]) > 0
        except OSError:
            return False

    def close(self) -> None:
        """Let the successor see that nothing more comes. What was given still arrives."""
        self._socket.close()


@contextmanager
def open_heirloom(fd: int | None) -> Generator[Callable[[socket.socket], bool] | None]:
    """The giving end's `give`, closed with the block; None where the descriptor did not arrive.

    *Ownership*: takes the descriptor.
    """
    if fd is None:
        yield None
        return
    with closing(Heirloom(fd)) as heirloom:
        yield heirloom.give


async def receive_connections(
    fd: int,
    adopt: Callable[[socket.socket], None],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Hand each connection that comes through the receiving end to `adopt`, which then owns it, until the giver ends.

    Descriptors are close-on-exec. One that is no TCP socket is closed. Reports started when it reads.

    *Ownership*: takes the descriptor, and closes it; connections that are still inside end with it.
    """
    count = 0
    with socket.socket(fileno=fd) as heirloom:
        heirloom.set_inheritable(False)
        heirloom.setblocking(False)
        task_status.started()
        while True:
            await trio.lowlevel.wait_readable(heirloom)
            try:
                data, descriptors, flags, _ = socket.recv_fds(heirloom, 1, _MAX_DESCRIPTORS)
            except BlockingIOError:
                continue
            except OSError as error:
                _log.error("The connections of the predecessor are lost.", error=str(error))
                return
            if flags & socket.MSG_CTRUNC:
                _log.error("A connection of the predecessor is lost: this process has no room for its descriptor.")
            for descriptor in descriptors:
                if client := _open(descriptor):
                    adopt(client)
                    count += 1
            if not data:
                break
    _log.info("The connections of the predecessor are taken over.", connections=count)


def _open(descriptor: int) -> socket.socket | None:
    """A TCP socket, or None: closed."""
    os.set_inheritable(descriptor, False)
    try:
        client = socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        return None
    if client.family in (socket.AF_INET, socket.AF_INET6) and client.type == socket.SOCK_STREAM:
        return client
    client.close()
    return None
