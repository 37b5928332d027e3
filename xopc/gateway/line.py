"""The gateway's end of the line to its supervisor: words out without waiting, orders in, end of file as lifeline."""

from __future__ import annotations

import os
import select
import socket

import trio

from xopc_supervisor import contract


class Line:
    """One end of a socketpair, a word a line. Owns the descriptor."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._socket.setblocking(False)
        self._pending = b""

    def say(self, word: str, *details: object) -> None:
        """Say a line. A supervisor that is gone, or does not read, is left to the lifeline and its watch."""
        line = " ".join([word, *(" ".join(str(detail).split()) for detail in details)])
        try:
            self._socket.send(f"{line}\n".encode())
        except OSError:
            # BlockingIOError: it does not read. Another: it is gone, which `hear` finds out.
            return

    def wait_for_go(self) -> bool:
        """Block until the supervisor says `go`; False when it is gone instead."""
        while True:
            select.select([self._socket], [], [])
            lines = self._read()
            if lines is None:
                return False
            if contract.GO in lines:
                later = [line for line in lines if line != contract.GO]
                self._pending = "".join(f"{line}\n" for line in later).encode() + self._pending
                return True

    async def hear(self) -> list[tuple[str, str]] | None:
        """The supervisor's next words with their details, at least one; None when it is gone.

        *Cancellation*: while it waits; no word is lost.
        """
        lines = self._split()
        while not lines:
            await trio.lowlevel.wait_readable(self._socket)
            read = self._read()
            if read is None:
                return None
            lines = read
        return [(word, detail) for word, _, detail in (line.partition(" ") for line in lines)]

    def close(self) -> None:
        """Let the supervisor see the end of the line."""
        self._socket.close()

    def _read(self) -> list[str] | None:
        """The lines that have come in full; None at the end of file."""
        try:
            data = self._socket.recv(4096)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        self._pending += data
        return self._split()

    def _split(self) -> list[str]:
        *lines, self._pending = self._pending.split(b"\n")
        return [line.decode("utf-8", "replace") for line in lines]


def keep_from_children(*fds: int) -> None:
    """Mark inherited descriptors close-on-exec, so that a program that the gateway runs does not hold them."""
    for fd in fds:
        os.set_inheritable(fd, False)
