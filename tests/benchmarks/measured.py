"""What a figure consists of: the middle of its rounds, how far they lie apart, and the goal beside it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any


def spread(values: Iterable[float], *, digits: int = 2, goal: str | None = None) -> dict[str, Any]:
    """The median of several rounds, and the least and the most of them."""
    ordered = sorted(values)
    figure: dict[str, Any] = {
        "median": _rounded(statistics.median(ordered), digits),
        "min": _rounded(ordered[0], digits),
        "max": _rounded(ordered[-1], digits),
    }
    return figure if goal is None else {**figure, "goal": goal}


def milliseconds(seconds: Iterable[float], *, digits: int = 1, goal: str | None = None) -> dict[str, Any]:
    """As `spread`, of seconds."""
    return spread((value * 1000 for value in seconds), digits=digits, goal=goal)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Of what was measured in the same round: how many times theirs ours is."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many percent of them do not exceed."""
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def _rounded(value: float, digits: int) -> float:
    return round(value, digits) if digits else round(value)
