"""The events of runs, for those who follow them: each run has a buffer, which lives until minutes after its end.

A buffer keeps adjacent tokens together. A follower who keeps up gets them one by one; one who is far behind gets
them as one, so he cannot fall behind for ever, and never slows the run or the others.

A run that goes on after a restart has a buffer anew, which says again what was under way. Its numbers are higher than
any before, so a follower who comes back with one of those is known, and hears all of it: what he has of the old text
must not be continued by the new one.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager

import trio
from attrs import Factory, define, evolve, field

from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.events import AgentEvent, Token, ToolEnd
from xopc.contracts.transcript import RunResult, RunState

MAX_EVENTS = 8000
"""In one buffer; what is older is folded together or, where that is not possible, forgotten."""
MAX_CHARS = 8 * 1024 * 1024
"""In one buffer."""
MAX_ENDED_CHARS = 32 * 1024 * 1024
"""In the buffers of runs that have ended; the oldest go first."""
KEPT_SECONDS = 5 * 60.0
"""After the end of its run."""
MERGED_BEHIND = 64
"""A follower who is so many events behind gets adjacent tokens as one."""
EVENT_CHARS = 200
"""What an event counts beside its text."""


class Runs:
    """The buffers of all runs. Not for several threads."""

    def __init__(
        self,
        on_end: Callable[[RunResult, float], None] = lambda _result, _seconds: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`on_end` is told how each run ended, and how long that took since its buffer was opened; `clock` gives
        seconds since the epoch."""
        self._on_end = on_end
        self._clock = clock
        self._buffers: dict[str, _Buffer] = {}
        self._ended: deque[_Buffer] = deque()
        self._ended_chars = 0

    def open(self, run_id: str, session_key: str, *, is_new: bool = False) -> None:
        """Begin the buffer of a run. Harmless where it is open, or holds the end of the run.

        Of a new run the events are numbered from 1; of one that goes on, in this process or another, from higher than
        before.
        """
        self._forget_old()
        known = self._buffers.get(run_id)
        if known is not None and (known.result is None or known.result.state is not RunState.RUNNING):
            return
        self._begin(run_id, session_key, 0 if is_new and known is None else self._later())

    def begin_again(self, run_id: str, session_key: str) -> None:
        """Begin the buffer of a run anew that had ended."""
        self._begin(run_id, session_key, self._later())

    def publish(self, run_id: str, event: AgentEvent) -> None:
        """Add an event to an open buffer; nothing where it is closed."""
        buffer = self._buffers.get(run_id)
        if buffer is not None and buffer.result is None:
            buffer.add(event)

    def close(self, run_id: str, result: RunResult) -> None:
        """End the buffer of a run: followers read it to its end, and have its result. Only the first end counts."""
        buffer = self._buffers.get(run_id)
        if buffer is not None and buffer.result is None:
            buffer.end(result)
            self._on_end(result, buffer.ended_at - buffer.opened_at)
            self._ended.append(buffer)
            self._ended_chars += buffer.chars
            self._forget_old()

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._buffers

    def is_open(self, run_id: str) -> bool:
        """Whether the run can be followed, and has not ended."""
        buffer = self._buffers.get(run_id)
        return buffer is not None and buffer.result is None

    def open_runs(self) -> dict[str, str]:
        """The session keys of the open buffers, by their runs."""
        return {run_id: buffer.session_key for run_id, buffer in self._buffers.items() if buffer.result is None}

    async def wait(self, run_id: str) -> RunResult:
        """The result of a run, when its buffer is closed.

        Raises:
            XopcError: NOT_FOUND: it has no buffer.
        """
        buffer = self._buffer(run_id)
        while buffer.result is None:
            await buffer.changed.park()
        return buffer.result

    @asynccontextmanager
    async def follow(self, run_id: str, after: int | None = None) -> AsyncGenerator[RunStream]:
        """The events of a run with numbers above `after`, until it is closed. From the first where that is no number
        of this buffer: it was counted before a restart.

        Raises:
            XopcError: NOT_FOUND: it has no buffer.
        """
        yield RunStream(self._buffer(run_id), after)

    def _begin(self, run_id: str, session_key: str, base: int) -> None:
        self._buffers[run_id] = _Buffer(run_id, session_key, base, last=base)

    def _later(self) -> int:
        """Where to count from, so that it is more than any process has counted to: no run has so many events."""
        return int(self._clock() * 1_000_000)

    def _buffer(self, run_id: str) -> _Buffer:
        buffer = self._buffers.get(run_id)
        if buffer is None:
            minutes = KEPT_SECONDS / 60
            raise XopcError(
                Failure.NOT_FOUND, f"There is no run {run_id[:64]}, or it ended more than {minutes:.0f} minutes ago."
            )
        return buffer

    def _forget_old(self) -> None:
        """Forget buffers of runs that ended long ago, and the oldest of too many."""
        expired = trio.current_time() - KEPT_SECONDS
        while self._ended and (self._ended[0].ended_at <= expired or self._ended_chars > MAX_ENDED_CHARS):
            buffer = self._ended.popleft()
            self._ended_chars -= buffer.chars
            if self._buffers.get(buffer.run_id) is buffer:
                del self._buffers[buffer.run_id]


class RunStream:
    """One follower of a run. Yields its events with their numbers, which grow, and have gaps where tokens were merged.

    Made by `Runs.follow`.
    """

    def __init__(self, buffer: _Buffer, after: int | None) -> None:
        self._buffer = buffer
        self.is_from_start = after is None or not buffer.base <= after <= buffer.last
        """Whether it gives all that there is."""
        self.position = buffer.base if after is None or self.is_from_start else after
        """The number of the last event that the follower has; at the start, one less than that of the first."""
        self._batch: deque[tuple[int, AgentEvent]] = deque()

    @property
    def result(self) -> RunResult | None:
        """How the run ended; None before. `running`: it goes on in another process or generation."""
        return self._buffer.result

    async def receive(self) -> list[tuple[int, AgentEvent]]:
        """What has happened since, at least one event; none at the end.

        *Cancellation*: loses nothing.
        """
        await trio.lowlevel.checkpoint()
        # Not by the number of the newest: of a buffer that was begun anew, its events may be still to come.
        while not (events := self._buffer.since(self.position)) and self._buffer.result is None:
            await self._buffer.changed.park()
        self.position = self._buffer.last
        return events

    def __aiter__(self) -> RunStream:
        return self

    async def __anext__(self) -> tuple[int, AgentEvent]:
        if not self._batch:
            self._batch.extend(await self.receive())
        if not self._batch:
            raise StopAsyncIteration
        return self._batch.popleft()


@define(eq=False)
class _Stretch:
    """One event, or a token and those that came right after it."""

    first: int
    """The number of the first."""
    event: AgentEvent
    parts: list[str] = Factory(list[str])
    """The tokens' texts, one for each number, but that the first stands for all that were folded."""
    folded: int = 0

    @property
    def last(self) -> int:
        return self.first + self.folded + self.events - 1

    @property
    def events(self) -> int:
        """How many can still be told apart."""
        return max(len(self.parts), 1)

    def fold(self, keep: int) -> None:
        """Make one part of all but the newest, so that there are `keep` at most."""
        spare = len(self.parts) - keep
        if spare > 0:
            self.parts = ["".join(self.parts[: spare + 1]), *self.parts[spare + 1 :]]
            self.folded += spare

    def since(self, after: int, *, merged: bool) -> Iterator[tuple[int, AgentEvent]]:
        """What of it comes after a number; the follower who stands inside what was folded gets all of it anew."""
        if not isinstance(self.event, Token):
            yield self.first, self.event
            return
        index = max(after - self.first - self.folded + 1, 0)
        reset = self.event.reset if after < self.first else index == 0
        if merged:
            yield self.last, Token("".join(self.parts[index:]), reset)
            return
        for place in range(index, len(self.parts)):
            yield self.first + self.folded + place, Token(self.parts[place], reset)
            reset = False


@define(eq=False)
class _Buffer:
    run_id: str
    session_key: str
    base: int
    """What it counts from: its first event has a higher number."""
    last: int
    """The number of the newest event."""
    chars: int = 0
    result: RunResult | None = None
    opened_at: float = field(factory=trio.current_time)
    """Of trio's clock."""
    ended_at: float = 0.0
    changed: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)
    _stretches: deque[_Stretch] = field(factory=deque[_Stretch])
    _events: int = 0

    def add(self, event: AgentEvent) -> None:
        self.last += 1
        newest = self._stretches[-1] if self._stretches else None
        if isinstance(event, Token) and not event.reset and newest is not None and newest.parts:
            newest.parts.append(event.content)
            self.chars += len(event.content)
        else:
            parts = [event.content] if isinstance(event, Token) else []
            self._stretches.append(_Stretch(self.last, event if not parts else evolve(event, content=""), parts))
            self.chars += _chars(event)
        self._events += 1
        if self._events > MAX_EVENTS or self.chars > MAX_CHARS:
            self._shrink()
        self.changed.unpark_all()

    def end(self, result: RunResult) -> None:
        self.result = result
        self.ended_at = trio.current_time()
        self.changed.unpark_all()

    def since(self, after: int) -> list[tuple[int, AgentEvent]]:
        merged = self.last - after > MERGED_BEHIND
        fresh: list[_Stretch] = []
        for stretch in reversed(self._stretches):
            if stretch.last <= after:
                break
            fresh.append(stretch)
        return [pair for stretch in reversed(fresh) for pair in stretch.since(after, merged=merged)]

    def _shrink(self) -> None:
        """Make room: fold what is older than the newest half, and forget the oldest where that is not enough."""
        room = MAX_EVENTS // 2
        for stretch in reversed(self._stretches):
            stretch.fold(keep=max(room, 1))
            room -= stretch.events
        self._events = sum(stretch.events for stretch in self._stretches)
        while len(self._stretches) > 1 and (self._events > MAX_EVENTS // 2 or self.chars > MAX_CHARS):
            oldest = self._stretches.popleft()
            self._events -= oldest.events
            self.chars -= _chars(oldest.event) + sum(map(len, oldest.parts))


def _chars(event: AgentEvent) -> int:
    text = event.content if isinstance(event, Token) else event.result if isinstance(event, ToolEnd) else ""
    return EVENT_CHARS + len(text)
