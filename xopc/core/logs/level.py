"""From which level on lines are written, and for how long, if somebody wants to see more or less for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from attrs import frozen

from xopc.contracts.api.logs import LogLevel

LEVELS = tuple(level.value for level in LogLevel)


@frozen
class _Change:
    level: str
    ends: float | None
    """Of the clock; None: it lasts."""


class LevelSwitch:
    """The level of one process. May be used from any thread. A change that is over ends when it is next asked for."""

    def __init__(self, level: str = "info", clock: Callable[[], float] = time.monotonic) -> None:
        """`level` is the configured one; the clock counts seconds."""
        self.configured = level
        self.on_change: Callable[[str], None] = lambda _: None
        """Hears of each change, in a sentence; from any thread, after it took effect."""
        self._clock = clock
        self._lock = threading.Lock()
        self._change: _Change | None = None
        self._threshold = LEVELS.index(level)

    def admits(self, level: str) -> bool:
        """Whether a line of this level is written."""
        change = self._change
        if change is not None and change.ends is not None and self._clock() >= change.ends:
            self._go_back(change)
        return LEVELS.index(level) >= self._threshold

    def set(self, level: str, seconds: float | None = None) -> None:
        """Write from this level on: for so long, or for as long as the process lives. Replaces what was set before."""
        with self._lock:
            self._change = _Change(level, None if seconds is None else self._clock() + seconds)
            self._threshold = LEVELS.index(level)
        length = "" if seconds is None else f" for {seconds / 60:g} minutes"
        self.on_change(f"The level of the log is {level} now{length}.")

    def state(self) -> tuple[str, float | None]:
        """The level, and for how many seconds more where it then goes back."""
        self.admits(self.configured)
        with self._lock:
            if self._change is None:
                return self.configured, None
            ends = self._change.ends
            return self._change.level, None if ends is None else max(0.0, ends - self._clock())

    def _go_back(self, change: _Change) -> None:
        with self._lock:
            if self._change is not change:
                return
            self._change = None
            self._threshold = LEVELS.index(self.configured)
        self.on_change(f"The level of the log is {self.configured} again.")
