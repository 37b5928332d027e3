"""Asking again and again: the one place where a command sleeps."""

from __future__ import annotations

import time
from collections.abc import Iterator


def attempts(seconds: float, *, first: float, longest: float) -> Iterator[float]:
    """Yield when it is time to look: at once, then after pauses that double from `first` to `longest` seconds.

    Yields the seconds left; the last look is at the deadline, with none left. `math.inf` is without end.
    Only for commands: on the gateway's event loop this would stop everything.
    """
    deadline = time.monotonic() + seconds
    pause = first
    while True:
        left = max(0.0, deadline - time.monotonic())
        yield left
        if left == 0:
            return
        time.sleep(min(pause, max(0.0, deadline - time.monotonic())))  # noqa: TID251 - a command has no event loop
        pause = min(pause * 2, longest)
