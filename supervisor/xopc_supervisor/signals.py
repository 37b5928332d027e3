"""Signals as bytes in a socket, so that the loop waits for them as for everything else."""

from __future__ import annotations

import signal
import socket

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)


def catch() -> socket.socket:
    """Let each signal write its number to a socket, which is returned to read them from."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    # detach: the wake-up descriptor stays open for the life of the process.
    signal.set_wakeup_fd(theirs.detach(), warn_on_full_buffer=False)
    for number in HANDLED:
        signal.signal(number, lambda _number, _frame: None)
    # Those that came while nobody could handle them: during the exec of new code, or to pid 1, which ignores them then.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
    return ours


def ignore() -> None:
    """Let no signal change the end any more: as Python ends it gives them back their effect, which is to kill."""
    for number in set(HANDLED) - {signal.SIGCHLD}:
        signal.signal(number, signal.SIG_IGN)


def caught(wakeup: socket.socket) -> bytes:
    """The numbers of the signals that have come since the last call, in order."""
    try:
        return wakeup.recv(4096)
    except BlockingIOError:
        return b""
