"""Accounts that are to be left alone for a while: all their lanes wait."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import trio
from attrs import frozen

from xopc.storage.path.outbox import Pause

Account: TypeAlias = "tuple[str, str]"
"""A channel and one of its accounts."""


@frozen
class _Running:
    until: float
    """Of trio's clock."""
    reason: str
    until_changed: bool


class Pauses:
    """The pauses that are running. What is read off the wall once is counted from then on: that clock may be set."""

    def __init__(self) -> None:
        self._running: dict[Account, _Running] = {}

    def resume(self, stored: Iterable[Pause], now: float) -> None:
        """Go on with what an earlier process was asked for; `now` is in seconds since the epoch."""
        for pause in stored:
            left = min(pause.until - now, pause.seconds)
            if left > 0:
                self.begin((pause.channel, pause.account), left, pause.reason)

    def begin(self, account: Account, seconds: float, reason: str, *, until_changed: bool = False) -> None:
        """Leave an account alone, for no less than was asked for before."""
        pause = _Running(trio.current_time() + seconds, reason, until_changed)
        if self.seconds_left(account) <= seconds:
            self._running[account] = pause

    def lift(self, channel: str) -> None:
        """The settings of a channel are others: end what waited for that. What a platform asked for goes on."""
        ended = [key for key, pause in self._running.items() if key[0] == channel and pause.until_changed]
        for account in ended:
            del self._running[account]

    def seconds_left(self, account: Account) -> float:
        """0 where it is not to be left alone."""
        pause = self._running.get(account)
        if pause is None:
            return 0.0
        left = pause.until - trio.current_time()
        if left <= 0:
            del self._running[account]
        return max(left, 0.0)

    def reason(self, account: Account) -> str | None:
        """Why it is left alone."""
        return self._running[account].reason if self.seconds_left(account) else None
