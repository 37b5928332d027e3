"""Going through the lines of the log: from a place on, in either direction, for so many bytes, and in steps.

What takes long is a generator that yields between its steps. `in_steps` runs those in a thread, so the event loop goes
on meanwhile, and whoever waits for the result can be cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Generic, TypeVar

import trio
from attrs import frozen

from xopc.contracts.errors import Failure, XopcError
from xopc.core.logs.files import STEP_BYTES, DayFile, Line, open_back, open_forth

T = TypeVar("T")

BUDGET_BYTES = 8 * 1024 * 1024
"""Of lines that one request looks at: some 0.3 s of one processor."""
_LEAST_PACKED_BYTES = 2 * STEP_BYTES
"""Of a packed file: more than the longest line."""
MAX_THREADS = 2
"""That read the log at once: others wait."""
_threads = trio.CapacityLimiter(MAX_THREADS)


@frozen
class Place:
    """Between two lines."""

    file: DayFile
    position: int


class Scan:
    """The lines of some files, one after another. Not restarted."""

    def __init__(
        self,
        files: Sequence[DayFile],
        *,
        backwards: bool,
        days: range | None = None,
        start: Place | None = None,
        budget: int = BUDGET_BYTES,
    ) -> None:
        """`files`, oldest first, are gone through from `start` on, or else from their last or first line.

        With `days`, ordinals, only the files of those. The budget is in bytes.
        """
        self.has_more = True
        """Until all lines have been given: the budget may end before."""
        self._newest = files[-1] if files else None
        self._files = [file for file in files if days is None or file.day.toordinal() in days]
        if start is not None:
            self._files = [f for f in self._files if (f <= start.file if backwards else f >= start.file)]
        if backwards:
            self._files.reverse()
        self._start = start
        self._backwards = backwards
        self._left = budget

    def spend(self, count: int) -> None:
        """Take from the budget what a line costs beside its bytes."""
        self._left -= count

    def lines(self) -> Iterator[tuple[Line, Place] | None]:
        """Each line with the place behind it, in the direction of the scan; None between two steps."""
        for file in self._files:
            try:
                position = self._start.position if self._start is not None and self._start.file == file else None
                most = max(self._left, _LEAST_PACKED_BYTES)
                if self._backwards:
                    part = yield from open_back(file, position, most)
                else:
                    part = yield from open_forth(file, position or 0, most)
            except OSError:  # it has just gone, or is nobody's business
                continue
            with closing(part.data):
                step = STEP_BYTES
                for line in part.backwards() if self._backwards else part.forwards():
                    if self._left <= 0:
                        return
                    size = line.end - line.start
                    self._left -= size
                    step -= size
                    if step <= 0:
                        step = STEP_BYTES
                        yield None
                    if file is self._newest and line.end == part.end and not line.is_complete:
                        continue  # it is being written
                    yield line, Place(file, line.start if self._backwards else line.end)
                if part.is_cut:
                    return
        self.has_more = False


async def in_steps(steps: Generator[None, None, T]) -> T:
    """The result of a work in steps, each of which is done in a thread.

    *Cancellation*: after the step that is under way.

    Raises:
        XopcError: UNAVAILABLE: the directory of the log cannot be read.
    """
    with closing(steps):
        while True:
            done = await in_thread(partial(_advance, steps))
            if done is not None:
                return done.result


async def in_thread(read: Callable[[], T]) -> T:
    """What a short look at the log gives.

    *Cancellation*: before it has begun; what it gives is not lost.

    Raises:
        XopcError: UNAVAILABLE: the directory of the log cannot be read.
    """
    try:
        return await trio.to_thread.run_sync(read, limiter=_threads)
    except OSError:
        what = "The directory of the log cannot be read. Look at its permissions."
        raise XopcError(Failure.UNAVAILABLE, what) from None


@frozen
class _Done(Generic[T]):
    result: T


def _advance(steps: Generator[None, None, T]) -> _Done[T] | None:
    try:
        next(steps)
    except StopIteration as stop:
        return _Done(stop.value)
    return None
