"""For whoever works on xopc: when one of its sources changes, a new process takes over from this one.

The new one starts beside the old one, as with every hand-over: a change that does not run leaves the old one serving.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import structlog
import trio
from attrs import define, field, frozen

import xopc
from xopc.config.watch import Sight, watch
from xopc.gateway.orders import Order, Restart
from xopc_supervisor import contract

SETTLE_SECONDS = 0.2
"""An editor, or a change of branch, writes several files one after the other."""
MAX_NAMED = 3
PACKAGES = (Path(xopc.__file__).parent, Path(contract.__file__).parents[1])

log = structlog.get_logger("xopc.sources")


@frozen
class Mark:
    """What a source looks like from outside."""

    inode: int = 0
    written: float = 0.0
    """Seconds since the epoch."""
    size: int = 0


async def watch_sources(
    give: Callable[[Order], None],
    packages: tuple[Path, ...] = PACKAGES,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Give the order for a new process each time that sources have changed since this process began, and compile.

    *Cancellation*: while it waits; a thread that looks is left to its end.
    """
    sources = Sources(packages, give, began())
    await watch(sources.look, lambda: SETTLE_SECONDS, sources.act, task_status=task_status)


def began() -> float:
    """When this process was started, before it read any source: seconds since the epoch."""
    ticks = contract.start_time(os.getpid())
    if ticks is not None:
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        return time.time() - age
    import psutil  # noqa: PLC0415 - it costs memory; and under Linux its answer is off once the clock was set

    return psutil.Process().create_time()


@define
class Sources:
    """The sources of some packages, and what of them was known."""

    packages: tuple[Path, ...]
    give: Callable[[Order], None]
    began: float
    _seen: Mapping[Path, Mark] = field(factory=dict[Path, Mark], init=False)
    _known: Mapping[Path, Mark] | None = field(default=None, init=False)

    async def look(self) -> Sight:
        """What all of them look like now."""
        self._seen = await trio.to_thread.run_sync(partial(_look, self.packages), abandon_on_cancel=True)
        return tuple(self._seen.items())

    async def act(self) -> None:
        """They have settled: those that are other ones than those that run are told, and a new process ordered."""
        changed, self._known = self._changed(), self._seen
        if not changed:
            return
        faults = await trio.to_thread.run_sync(lambda: [what for path in changed if (what := _fault(path))])
        if faults:
            log.error(f"{faults[0]}. The gateway goes on as it was: mend it, and save it again.")
            return
        if any(path.is_relative_to(self.packages[-1]) for path in changed):
            log.warn("The supervisor's own code has changed: that counts once the gateway is started anew.")
        self.give(Restart(contract.RESPAWN, self._reason(changed), is_due=True))

    def _changed(self) -> list[Path]:
        if self._known is None:
            # What is dated later than now would change for ever.
            now = time.time()
            return sorted(path for path, mark in self._seen.items() if self.began < mark.written <= now)
        gone = self._known.keys() - self._seen.keys()
        return sorted({*gone, *(path for path, mark in self._seen.items() if self._known.get(path) != mark)})

    def _reason(self, changed: list[Path]) -> str:
        parents = [package.parent for package in self.packages]
        names = [
            str(next((path.relative_to(parent) for parent in parents if path.is_relative_to(parent)), path))
            for path in changed
        ]
        more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
        return f"changed sources: {', '.join(names[:MAX_NAMED])}{more}"


def _look(packages: tuple[Path, ...]) -> dict[Path, Mark]:
    return {Path(entry.path): _mark(entry) for package in packages for entry in _sources(package)}


def _sources(directory: Path | str) -> Iterator[os.DirEntry[str]]:
    try:
        entries = list(os.scandir(directory))
    except FileNotFoundError:  # a change of branch took it away
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _sources(entry.path)
        elif entry.name.endswith(".py") and not entry.name.startswith("."):
            yield entry


def _mark(entry: os.DirEntry[str]) -> Mark:
    try:
        found = entry.stat()
    except OSError:
        return Mark()
    return Mark(found.st_ino, found.st_mtime_ns / 1e9, found.st_size)


def _fault(path: Path) -> str | None:
    """Why a source cannot be compiled, with its line; None where it can, or has gone."""
    try:
        compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"{path}, line {error.lineno}: {error.msg}"
    except (ValueError, OSError) as error:
        return None if isinstance(error, FileNotFoundError) else f"{path}: {error}"
    return None
