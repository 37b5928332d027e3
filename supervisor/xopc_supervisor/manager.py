"""The service manager above the supervisor, where there is one of type systemd: what it is told, and when."""

from __future__ import annotations

import time
from collections.abc import Sequence
from socket import socket

from xopc_supervisor import store
from xopc_supervisor.notify import notify


class Manager:
    """Tells the manager how the gateway is. Where nobody listens, nothing happens."""

    def __init__(self, interval: float | None) -> None:
        """`interval` is how often it wants a sign of life, in seconds."""
        self._interval = interval
        self.next_sign_of_life = None if interval is None else time.monotonic()
        """Of the monotonic clock; None where none is wanted."""
        self._kept: frozenset[str] = frozenset()

    def ready(self) -> None:
        """The gateway serves."""
        notify("READY=1")

    def reloading(self) -> None:
        """The gateway restarts; `ready` follows."""
        notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The gateway ends."""
        notify("STOPPING=1")

    def show_life(self, now: float) -> None:
        """The supervisor's loop turns; told when it is due."""
        if self._interval is not None and self.next_sign_of_life is not None and now >= self.next_sign_of_life:
            notify("WATCHDOG=1")
            self.next_sign_of_life = now + self._interval

    def keep(self, listeners: Sequence[socket]) -> None:
        """These are the gateway's sockets now, and are to be kept while no supervisor lives."""
        self._kept = store.keep(listeners, self._kept)
