"""Ids whose order is that of time: UUIDs of version 7, RFC 9562 section 5.7."""

from __future__ import annotations

import secrets
from uuid import UUID

RANDOM_BITS = 74
"""What is left of 128 beside 48 bits of milliseconds, the version and the variant."""


class TimeOrderedIds:
    """Makes ids, each greater than the one before, also within a millisecond and after a clock was set back."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, now: float) -> UUID:
        """The next id; `now` is in seconds since the epoch."""
        payload = (int(now * 1000) << RANDOM_BITS) | secrets.randbits(RANDOM_BITS)
        if payload <= self._last:
            # RFC 9562 section 6.2, method 2: a random step, so that nobody guesses an id from the one before.
            payload = self._last + 1 + secrets.randbits(32)
        self._last = payload
        milliseconds, random_a, random_b = payload >> 74, (payload >> 62) & 0xFFF, payload & ((1 << 62) - 1)
        return UUID(int=(milliseconds << 80) | (0x7 << 76) | (random_a << 64) | (0b10 << 62) | random_b)
