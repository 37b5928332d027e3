"""The gateway's end of the line to its supervisor: words out without waiting, orders in, end of file as lifeline."""

from __future__ import annotations

import json
import os
import select
import socket
import time
from collections.abc import Sequence

import trio

from xopc_supervisor import contract
from xopc_supervisor.contract import Address, Go

MAX_FDS = 64
"""Descriptors that come with one word."""
SOCKETS_SECONDS = 10
"""For the supervisor to bind what the configuration names."""


class SocketsRefusedError(Exception):
    """The supervisor cannot bind the addresses that were asked for; the text says why."""


class Line:
    """One end of a socketpair, a word a line. Owns the descriptor."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._socket.setblocking(False)
        self._pending = b""
        self._early: list[str] = []
        """Lines that came while another word was waited for."""
        self._fds: list[int] = []
        """Descriptors that came with words that are not read yet, in order."""

    def say(self, word: str, *details: object) -> None:
        """Say a line. A supervisor that is gone, or does not read, is left to the lifeline and its watch."""
        line = " ".join([word, *(" ".join(str(detail).split()) for detail in details)])
        try:
            self._socket.send(f"{line}\n".encode("utf-8", "replace"))
        except OSError:
            # BlockingIOError: it does not read. Another: it is gone, which `hear` finds out.
            return

    def wait_for_go(self) -> Go | None:
        """Block until the supervisor says `go`, and why; None when it is gone instead."""
        detail = self._wait_for(contract.GO)
        return Go.from_json(detail[1]) if detail else None

    def ask_for_sockets(self, addresses: Sequence[Address]) -> list[socket.socket]:
        """Listening sockets for these addresses, without those that are not required and not to be had. Blocks.

        *Ownership*: the caller closes them.

        Raises:
            SocketsRefusedError: they are not to be had, or the supervisor does not answer.
        """
        self.say(contract.LISTEN, json.dumps(addresses, separators=(",", ":")))
        answer = self._wait_for(contract.SOCKETS, contract.REFUSED, seconds=SOCKETS_SECONDS)
        if answer is None:
            raise SocketsRefusedError("the supervisor does not answer")
        word, detail = answer
        if word == contract.REFUSED:
            raise SocketsRefusedError(detail)
        fds = [fd for _ in range(int(detail)) if (fd := self.take_fd()) is not None]
        if len(fds) < int(detail):
            for fd in fds:
                os.close(fd)
            raise SocketsRefusedError("this process may not have so many open files (`ulimit -n`)")
        return [socket.socket(fileno=fd) for fd in fds]

    def take_fd(self) -> int | None:
        """The descriptor that came with the word just read; None where this process had no room for it.

        *Ownership*: the caller closes it.
        """
        return self._fds.pop(0) if self._fds else None

    async def hear(self) -> list[tuple[str, str]] | None:
        """The supervisor's next words with their details, at least one; None when it is gone.

        *Cancellation*: while it waits; no word is lost.
        """
        lines, self._early = [*self._early, *self._split()], []
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

    def _wait_for(self, *wanted: str, seconds: float | None = None) -> tuple[str, str] | None:
        """Block until one of these words comes; None when that takes too long, or the supervisor is gone.

        Other words wait for `hear`.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            for index, (word, _, detail) in enumerate(line.partition(" ") for line in self._early):
                if word in wanted:
                    del self._early[index]
                    return word, detail
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._socket], [], [], left)[0]:
                return None
            lines = self._read()
            if lines is None:
                return None
            self._early += lines

    def _read(self) -> list[str] | None:
        """The lines that have come in full; None at the end of file."""
        try:
            # Descriptors end what is read at once, so that they belong to the words read with them or before.
            data, fds, _, _ = socket.recv_fds(self._socket, 4096, MAX_FDS)
        except BlockingIOError:
            return []
        except OSError:
            return None
        keep_from_children(*fds)
        self._fds += fds
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
