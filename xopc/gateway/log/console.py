"""Log lines on standard error: readable on a terminal, JSON for a service manager or a pipe."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress

from xopc.core.redact import Plain
from xopc.gateway.log.line import encode, readable

_ATOM_BYTES = 4096
"""What a pipe that polls as writable takes without waiting (PIPE_BUF of Linux)."""


class Console:
    """Writes lines to one descriptor, which it does not own.

    A terminal that has gone is survived, and one that stands still (Ctrl-S, a reader that sleeps) is not waited for:
    the line stays unseen there.
    """

    def __init__(self, fd: int, environ: Mapping[str, str]) -> None:
        self._fd = fd
        self._readable = _is_terminal(fd)
        self._colour = self._readable and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def write(self, line: Mapping[str, Plain]) -> None:
        """Show `line`, where somebody can see it. Never raises."""
        if self._readable:
            with _as_if_in_the_foreground():
                self._write(readable(line, colour=self._colour).encode("utf-8", "replace"))
        else:
            self._write(encode(line))

    def _write(self, data: bytes) -> None:
        with suppress(OSError):
            while data and self._poll.poll(0):
                data = data[os.write(self._fd, data[:_ATOM_BYTES]) :]


@contextmanager
def _as_if_in_the_foreground() -> Generator[None]:
    """A terminal set to `stty tostop` stops who writes from the background, as the gateway does: it has a process
    group of its own. A thread that blocks the signal may write."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _is_terminal(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False
