"""The clock on the wall, which is set now and then, beside the one that only counts.

Stored times are read off the wall, because they outlive the process. A clock that is set by hours must neither hold up
what is due in a minute, nor make something a day old that came a minute ago.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

LEAP_SECONDS = 60.0
"""Less is no leap: clocks are corrected by that much in the course of days."""


class WallClock:
    """Seconds since the epoch, and how far the clock was set while this object has been looking.

    Asleep, a machine does not count: it wakes up after a leap.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._offset = clock() - trio.current_time()
        self._leaps: list[tuple[float, float]] = []
        """Forward ones, oldest first: the time that they left, and by how much."""
        self.leaps = 0
        """How many there were, back ones included."""

    def now(self) -> float:
        """The time on the wall."""
        now = self._clock()
        by = now - trio.current_time() - self._offset
        if abs(by) >= LEAP_SECONDS:
            self._offset += by
            self.leaps += 1
            self._note(now - by, by)
        return now

    def age(self, moment: float) -> float:
        """Seconds since a stored moment, without those that were leapt over."""
        now = self.now()
        return now - moment - sum(by for left, by in self._leaps if moment <= left)

    def _note(self, left: float, by: float) -> None:
        if by > 0:
            self._leaps.append((left, by))
        while by < 0 and self._leaps:  # set back, as far as it had been set forward wrongly
            left, forward = self._leaps.pop()
            by += forward
            if by >= LEAP_SECONDS:
                self._leaps.append((left, by))
                return
