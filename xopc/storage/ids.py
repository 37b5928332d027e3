"""Ids whose order is that of time: UUIDs of version 7, RFC 9562 section 5.7."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

RANDOM_BITS = 74
"""What is left of 128 beside 48 bits of milliseconds, the version and the variant."""
DRAWN_AT_ONCE = 128
"""Each draw of random bytes lets other threads run, and then has to wait until they let this one go on."""


class TimeOrderedIds:
    """Makes ids, each greater than the one before, also within a millisecond and after a clock was set back."""

    def __init__(self) -> None:
        self._last = 0
        self._random = _random_numbers()

    def next(self, now: float) -> str:
        """The next id, as a UUID is written; `now` is in seconds since the epoch."""
        number = next(self._random)
        payload = (int(now * 1000) << RANDOM_BITS) | number
        if payload <= self._last:
            # RFC 9562 section 6.2, method 2: a random step, so that nobody guesses an id from the one before.
            payload = self._last + 1 + (number & 0xFFFFFFFF)
        self._last = payload
        milliseconds, random_a, random_b = payload >> 74, (payload >> 62) & 0xFFF, payload & ((1 << 62) - 1)
        # Not by way of uuid.UUID, which takes three times as long.
        digits = f"{(milliseconds << 80) | (0x7 << 76) | (random_a << 64) | (0b10 << 62) | random_b:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _random_numbers() -> Iterator[int]:
    """Numbers of `RANDOM_BITS`, for ever."""
    size = -(-RANDOM_BITS // 8)
    while True:
        drawn = secrets.token_bytes(size * DRAWN_AT_ONCE)
        for start in range(0, len(drawn), size):
            yield int.from_bytes(drawn[start : start + size]) >> (size * 8 - RANDOM_BITS)
