"""What an earlier process left behind is taken up a few sessions at a time: a start does not depend on how much it is.

A session with a worker costs memory, and the worker asks the storage at once. Of a hundred thousand sessions with
messages to answer only so many have one; the others are names in a row, until one of those rests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

MAX_TAKEN_UP = 256
"""Sessions at once: four for each turn that may run, so that none waits for the next to be taken up."""


class TakeUp:
    """The sessions that had something to do at the start, in their order."""

    def __init__(self, wake: Callable[[str], None]) -> None:
        """`wake` gives a session a worker, which says `rests` sooner or later."""
        self._wake = wake
        self._left: deque[str] = deque()
        self._taken: set[str] = set()

    def begin(self, session_keys: Iterable[str]) -> None:
        """Take up the first of them, and the others as those rest."""
        self._left.extend(session_keys)
        self._go_on()

    def rests(self, session_key: str) -> None:
        """A session has nothing to do for now, or cannot go on; any session may say so."""
        if session_key in self._taken:
            self._taken.remove(session_key)
            self._go_on()

    def _go_on(self) -> None:
        while self._left and len(self._taken) < MAX_TAKEN_UP:
            session_key = self._left.popleft()
            self._taken.add(session_key)
            self._wake(session_key)
