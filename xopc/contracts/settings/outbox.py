"""`outbox` in the configuration file."""

from __future__ import annotations

from attrs import field, frozen

DAY_SECONDS = 24 * 3600
MAX_TTL_SECONDS = 30 * DAY_SECONDS


def _is_ttl(_: object, __: object, seconds: int) -> None:
    if not 1 <= seconds <= MAX_TTL_SECONDS:
        raise ValueError(f"must be 1 to {MAX_TTL_SECONDS} seconds")


@frozen
class OutboxSettings:
    """`outbox`: how messages are sent."""

    ttl_seconds: int = field(default=DAY_SECONDS, validator=_is_ttl)
    """A message that does not say otherwise is sent within this time, or not at all."""
