"""Counts the wrong credentials of each client, and blocks the one that presents too many.

Blocked means blocked for every credential: a limit that the right one passes would only slow a guesser's answers.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

import trio
from attrs import define, frozen

from xopc.contracts.auth import RateLimit

MAX_KEYS = 10_000
"""More than that many clients are not told apart: who failed longest ago is forgotten, a blocked one last of all."""


@define
class _Record:
    window_ends: float
    failures: int = 0
    blocked_until: float = 0.0


@frozen
class Block:
    """A client that is blocked now."""

    key: str
    seconds: float
    """For how long yet."""


class Limiter:
    """The failures of all clients, by their keys. Lives as long as the process: no restart in it resets a count."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float] = trio.current_time) -> None:
        self.limit = limit
        """May be replaced at any time; blocks that stand keep their ends."""
        self.failures = 0
        """All that were counted."""
        self._clock = clock
        self._counting: OrderedDict[str, _Record] = OrderedDict()
        self._blocked: OrderedDict[str, _Record] = OrderedDict()
        """The first to be blocked stands first, in both."""

    @property
    def clients(self) -> int:
        """How many are remembered."""
        return len(self._counting) + len(self._blocked)

    def seconds_left(self, key: str) -> int:
        """For how long a client is blocked yet, rounded up; 0 where it is not."""
        if not self.limit.enabled:
            return 0
        record = self._blocked.get(key)
        if record is None:
            return 0
        left = record.blocked_until - self._clock()
        if left <= 0:
            del self._blocked[key]
            return 0
        return math.ceil(left)

    def count(self, key: str) -> int:
        """A client that is not blocked has presented a wrong credential: how often it has within the window, this
        time included. It is blocked if that is too often."""
        if not self.limit.enabled:
            return 0
        now = self._clock()
        self.failures += 1
        record = self._counting.pop(key, None)
        if record is None or now >= record.window_ends:
            record = _Record(now + self.limit.window_seconds)
        record.failures += 1
        if record.failures >= self.limit.max_attempts:
            record.blocked_until = now + self.limit.block_seconds
            self._blocked[key] = record
        else:
            self._counting[key] = record
        self._make_room(now)
        return record.failures

    def forgive(self, key: str) -> None:
        """A client has presented the right one."""
        self._counting.pop(key, None)

    def unlock(self, network: str | None = None) -> int:
        """Forget the failures of one client (see `Client.network`), in every browser too, or of all. How many were
        blocked."""
        blocked = [block.key for block in self.blocks() if network is None or is_of(block.key, network)]
        for records in (self._blocked, self._counting):
            for key in [key for key in records if network is None or is_of(key, network)]:
                del records[key]
        return len(blocked)

    def blocks(self) -> tuple[Block, ...]:
        """Who is blocked now, the first one first."""
        now = self._clock()
        left = ((key, record.blocked_until - now) for key, record in self._blocked.items())
        return tuple(Block(key, seconds) for key, seconds in left if seconds > 0 and self.limit.enabled)

    def _make_room(self, now: float) -> None:
        if self.clients <= MAX_KEYS:
            return
        # Blocks are all of one length, so those that are over stand first: who fails pays for no walk over all of them.
        while self._blocked and next(iter(self._blocked.values())).blocked_until <= now:
            self._blocked.popitem(last=False)
        while self.clients > MAX_KEYS:
            # Not the one that has just failed, who else could go on for ever while there are nothing but blocks.
            (self._counting if len(self._counting) > 1 else self._blocked).popitem(last=False)


def key_of(network: str, browser: str | None) -> str:
    """The key of a client; `browser` tells the pages in its browser from its other programs, so that a hostile page
    cannot lock those out."""
    return network if browser is None else f"browser-origin:{browser}|{network}"


def is_of(key: str, network: str) -> bool:
    """Whether a key is one of this client's."""
    return key == network or key.endswith(f"|{network}")
