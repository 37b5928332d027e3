"""The watch on the event loop from within: a thread that tells where the gateway stands when its loop does not turn.

The supervisor kills a gateway that is silent for `gateway.watchdogSeconds`. At two thirds of that this thread writes to
the log what every thread is at, so that the cause is known. A loop that hangs in C code that keeps the interpreter's
lock stops this thread, too; such a one shows in what `dump_on_abort` writes at the supervisor's SIGABRT.
"""

from __future__ import annotations

import faulthandler
import sys
import threading
import traceback
from collections.abc import Callable, Generator
from types import TracebackType

from xopc.contracts.api.status import TreeNode

TICK_SECONDS = 1.0
"""Both between two beats of the loop and between two looks of the thread."""
REPORT_AT = 2 / 3
"""Of the time after which the supervisor kills."""


class Watch:
    """Counts the ticks of its own thread without a beat, so that time in which the process is suspended is not counted.

    `seconds` may be set at any time; 0 is off. Nothing is watched before the first beat: a start has its own limit.
    """

    def __init__(
        self, tree: Callable[[], TreeNode], report: Callable[..., None], *, tick_seconds: float = TICK_SECONDS
    ) -> None:
        """Watch the loop of the calling thread. `report` takes a message and fields, as the methods of a logger."""
        self.seconds = 0.0
        self._tree = tree
        self._report = report
        self._tick_seconds = tick_seconds
        self._loop = threading.get_ident()
        self._beats = 0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closed.set()
        self._thread.join(TICK_SECONDS)  # it may hang itself, in a log on a dead disk

    def beat(self) -> None:
        """The loop turns."""
        self._beats += 1

    def _run(self) -> None:
        seen = silent = 0
        reported = False
        while not self._closed.wait(self._tick_seconds):
            beats, limit = self._beats, self.seconds * REPORT_AT
            if beats == seen:
                silent += 1
            else:
                if reported:
                    self._report(f"The event loop turns again; it stood still for {self._told(silent)}.")
                seen, silent, reported = beats, 0, False
            if beats and limit and not reported and silent * self._tick_seconds >= limit:
                reported = True
                self._report(
                    f"The event loop has not turned for {self._told(silent)}.",
                    tree=self._rows(),
                    traceback=stacks(first=self._loop),
                )

    def _told(self, ticks: int) -> str:
        return f"{ticks * self._tick_seconds:g} s"

    def _rows(self) -> list[str]:
        """The tree, read while it may be written to."""
        try:
            return list(_rows(self._tree()))
        except Exception as error:
            return [f"cannot be read: {error!r}"]


def stacks(*, first: int) -> str:
    """Where each thread but the calling one is, beginning with `first`; innermost calls last."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    # Documented, underscore and all, for this very purpose.
    frames = sys._current_frames()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    frames.pop(threading.get_ident())
    texts: list[str] = []
    for ident in sorted(frames, key=lambda ident: ident != first):
        name = "the event loop" if ident == first else names.get(ident, "unknown to Python")
        texts.append(f"Thread {name}:\n{''.join(traceback.format_stack(frames[ident]))}")
    return "".join(texts).rstrip()


def dump_on_abort() -> bool:
    """Let SIGABRT, and a crash of the interpreter, write all stacks to standard error on their way.

    False where there is no standard error: its descriptor may be another file's.
    """
    try:
        faulthandler.enable()
    except (RuntimeError, OSError, ValueError):
        return False
    return True


def _rows(node: TreeNode, above: str = "") -> Generator[str]:
    """`gateway/generation: running`, a row a task."""
    path = f"{above}{node.name}"
    yield f"{path}: {node.state.value}" + (f", last error: {node.last_error}" if node.last_error else "")
    for child in node.children:
        yield from _rows(child, f"{path}/")
