"""How often a platform may be asked: token buckets, in the terms that a channel declares.

A bucket is one number, the moment at which it will be full again (the generic cell rate algorithm, ITU-T I.371): there
is nothing to refill, and a bucket that is full need not be remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from attrs import frozen

from xopc.contracts.messages import Address

MAX_REMEMBERED = 4096
"""Buckets, before those that are full again are forgotten."""


@frozen
class Limit:
    """So many sends at once, and after that one in so many seconds."""

    at_once: int
    seconds: float
    per_chat: bool = False
    """Each chat has a bucket of its own; else all chats of the account share one."""


@runtime_checkable
class Paced(Protocol):
    """What a channel has whose platform limits how often it may be asked."""

    def limits(self, address: Address) -> Sequence[Limit]:
        """Those that hold for one part of a message to this address."""
        ...


def free_at(limit: Limit, full_at: float) -> float:
    """The moment from which a bucket that is full again at `full_at` has a token."""
    return full_at - (limit.at_once - 1) * limit.seconds


def taken(limit: Limit, full_at: float, now: float) -> float:
    """When the bucket is full again, after one more token is taken."""
    return max(full_at, now) + limit.seconds


_Key: TypeAlias = "tuple[str, str, str | None, int]"


class Pacer:
    """The buckets of all channels. All times are of one clock that only counts, in seconds."""

    def __init__(self) -> None:
        self.full_at: dict[_Key, float] = {}
        """Of the buckets that may not be full: when each will be."""

    def pause(self, sender: object, address: Address, now: float) -> float:
        """Seconds until each of its buckets has a token."""
        return self._pause(_buckets(sender, address), now)

    def chat_pause(self, sender: object, address: Address, now: float) -> float:
        """The same of the buckets of its chat alone."""
        return self._pause([(key, limit) for key, limit in _buckets(sender, address) if limit.per_chat], now)

    def reserve(self, sender: object, address: Address, now: float) -> float:
        """Take a token of each bucket, and return the seconds until they are there: whoever comes later waits longer,
        and nobody has to look again and again."""
        pause = self.pause(sender, address, now)
        for key, limit in _buckets(sender, address):
            self.full_at[key] = taken(limit, self.full_at.get(key, 0.0), now)
        if len(self.full_at) > MAX_REMEMBERED:
            self.full_at = {key: full_at for key, full_at in self.full_at.items() if full_at > now}
        return pause

    def _pause(self, buckets: Sequence[tuple[_Key, Limit]], now: float) -> float:
        return max([0.0, *(free_at(limit, self.full_at.get(key, 0.0)) - now for key, limit in buckets)])


def _buckets(sender: object, address: Address) -> list[tuple[_Key, Limit]]:
    if not isinstance(sender, Paced):
        return []
    return [
        ((address.channel, address.account, address.chat if limit.per_chat else None, number), limit)
        for number, limit in enumerate(sender.limits(address))
    ]
