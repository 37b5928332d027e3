"""Signals as bytes in a socket, so that the loop waits for them as for everything else."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections import deque
from collections.abc import Iterator

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)


class Signals:
    """Those that come to this process, from now on until `ignore`."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        theirs.setblocking(False)
        # detach: the wake-up descriptor stays open for the life of the process.
        signal.set_wakeup_fd(theirs.detach(), warn_on_full_buffer=False)
        self._waiting: deque[int] = deque()
        """Those that were read and are not handled yet."""
        for number in HANDLED:
            signal.signal(number, lambda _number, _frame: None)
        # Those that came while nobody could handle them: during the exec of new code, or to pid 1, which ignores them
        # then.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)

    def fileno(self) -> int:
        """For poll: readable when one has come."""
        return self._socket.fileno()

    def caught(self) -> Iterator[int]:
        """The numbers of those that have come, in order. Where handling one fails, the others come the next time."""
        self._read()
        while self._waiting:
            yield self._waiting.popleft()

    def leave_to_the_kernel(self) -> None:
        """Let all that have come, and that come from now on, wait until other code in this process handles them: the
        socket does not outlive this one."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        self._read()
        while self._waiting:
            os.kill(os.getpid(), self._waiting.popleft())

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._waiting.extend(self._socket.recv(4096))


def ignore() -> None:
    """Let no signal change the end any more: as Python ends it gives them back their effect, which is to kill."""
    for number in set(HANDLED) - {signal.SIGCHLD}:
        signal.signal(number, signal.SIG_IGN)
