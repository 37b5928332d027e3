"""Lines of the log that anybody can cause without end: the first of each minute are written, the others counted."""

from __future__ import annotations

from collections.abc import Callable

LINES = 20
SECONDS = 60.0


class Restraint:
    """Decides for each such line."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """The clock counts seconds."""
        self._clock = clock
        self._ends = 0.0
        self._written = 0
        self._left_out = 0

    def left_out(self) -> int | None:
        """How many lines were left out since the last one; None where this one is to be left out, too."""
        now = self._clock()
        if now >= self._ends:
            self._ends, self._written = now + SECONDS, 0
        if self._written == LINES:
            self._left_out += 1
            return None
        self._written += 1
        left_out, self._left_out = self._left_out, 0
        return left_out
