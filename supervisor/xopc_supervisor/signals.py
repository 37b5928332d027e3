"""Signals that wait until the loop sees to them, which a socket wakes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections import deque
from collections.abc import Iterator
from types import FrameType

ASKING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
HANDLED = (*ASKING, signal.SIGCHLD)
STOPS = (signal.SIGTERM, signal.SIGINT)
"""Each counts: who asks twice does not want to wait. Of the others one stands for all that wait."""


class Signals:
    """Those that come to this process, from now on until `ignore`."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        theirs.setblocking(False)
        self._waiting: deque[int] = deque()
        for number in ASKING:
            signal.signal(number, self._came)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # wakes, and whoever wakes looks who has ended
        # The socket wakes, and tells nothing: in a storm it is full, and the signal that then came would be lost.
        # detach: the wake-up descriptor stays open for the life of the process.
        signal.set_wakeup_fd(theirs.detach(), warn_on_full_buffer=False)
        # Those that came while nobody could handle them: during the exec of new code, or to pid 1, which ignores them
        # then.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)

    def fileno(self) -> int:
        """For poll: readable when one has come."""
        return self._socket.fileno()

    def caught(self) -> Iterator[int]:
        """The numbers of those that ask for something. Where handling one fails, the others come the next time."""
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(4096):
                pass
        while self._waiting:
            yield self._waiting.popleft()

    def leave_to_the_kernel(self) -> None:
        """Let all that have come, and that come from now on, wait until other code in this process handles them."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        while self._waiting:
            os.kill(os.getpid(), self._waiting.popleft())

    def _came(self, number: int, _frame: FrameType | None) -> None:
        if number in STOPS or number not in self._waiting:
            self._waiting.append(number)


def ignore() -> None:
    """Let no signal change the end any more: as Python ends it gives them back their effect, which is to kill."""
    for number in ASKING:
        signal.signal(number, signal.SIG_IGN)
