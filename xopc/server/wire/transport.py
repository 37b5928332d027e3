"""The bytes of one connection, to and from the kernel: what differs between plain HTTP and TLS."""

from __future__ import annotations

import socket
from typing import Protocol

READ_BYTES = 64 * 1024


class NotTlsError(OSError):
    """A client speaks plain HTTP where TLS is spoken. Nothing was sent to it yet."""


class Transport(Protocol):
    """Between a `Connection` and its socket. Never waits, and closes nothing."""

    is_secure: bool
    """Whether it is TLS: then the connection cannot go on in another process, which has not got its keys."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes, so that there is nothing to wait for; `receive` says so, too."""
        ...

    @property
    def is_receiving(self) -> bool:
        """Whether something has been read that `receive` could not give yet."""
        ...

    def receive(self) -> bytes:
        """What has arrived; empty at the end.

        Raises:
            BlockingIOError: nothing has, or no whole piece.
            NotTlsError: it is the wrong protocol.
            OSError: the connection is broken, or what arrives makes no sense.
        """
        ...

    def send(self, data: bytes | memoryview, /) -> int:
        """How many bytes the kernel took. Those that it did not take are to be sent next, before all others.

        Raises:
            BlockingIOError: none, for now.
            OSError: the connection is broken.
        """
        ...

    def say_farewell(self) -> bool:
        """Say that nothing more is sent. True when the kernel has taken it; else say it again later.

        From then on what is received is worth nothing but its length.
        """
        ...


class Plain:
    """The socket itself."""

    __slots__ = ("_socket", "send")

    is_secure = False
    is_over = False
    is_receiving = False

    def __init__(self, client: socket.socket) -> None:
        self._socket = client
        self.send = client.send

    def receive(self) -> bytes:
        return self._socket.recv(READ_BYTES)

    def say_farewell(self) -> bool:
        """True: the end of TCP says it."""
        return True
