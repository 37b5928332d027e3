"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import random

FIRST_SECONDS = 1.0
MOST_SECONDS = 60.0
JITTER = 0.1
"""Part of the pause, up and down, so that what failed together does not come back together."""


def pause_seconds(failures: int) -> float:
    """The pause after so many failures in a row: 1 s, doubling up to 60 s, each ±10 %."""
    doublings = min(max(failures, 1) - 1, 6)
    pause = min(FIRST_SECONDS * 2**doublings, MOST_SECONDS)
    return pause * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  spreads load, keeps no secret
