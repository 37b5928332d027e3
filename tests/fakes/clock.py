"""A clock that stands still until it is told otherwise, for code that takes one."""

from __future__ import annotations

from attrs import define


@define
class Clock:
    """Seconds, when called."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now
