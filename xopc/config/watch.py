"""Notices that the configuration file, or a file that it has a secret from, is another one: looks twice a second.

Looking works everywhere: through symbolic links whose target, or a directory on whose way, is exchanged (as Kubernetes
does with config maps), on network file systems, in containers, and for editors that replace the file. Notifications of
the kernel do not reach across a network, follow an inode instead of a name, and would cost a library with a thread of
its own. A look is two system calls, some 10 microseconds.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import trio
from attrs import define, field

LOOK_SECONDS = 0.5
LEAST_SECONDS = 0.02
"""A file system's clock ticks every 10 ms at the slowest kernels: two writes within a tick look like one."""

Sight: TypeAlias = tuple[object, ...]
"""What a file looks like from outside. Equal while nobody touched it."""


async def watch(
    look: Callable[[], Awaitable[Sight]],
    debounce_seconds: Callable[[], float],
    act: Callable[[], Awaitable[None]],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Call `act` each time that the file is another one and has stayed the same for so long; for the one that is there
    at the beginning, too, since it may have changed before anybody looked.

    *Cancellation*: while it waits, or in `act`.
    """
    settling = Settling()
    task_status.started()
    while True:
        pause = settling.see(await look(), trio.current_time(), max(LEAST_SECONDS, debounce_seconds()))
        if settling.take():
            await act()
        await trio.sleep(min(pause, LOOK_SECONDS))


async def look_at(*paths: Path) -> Sight:
    """What paths lead to. Waits in a thread: a network file system may hang."""
    return await trio.to_thread.run_sync(partial(_sights, paths), abandon_on_cancel=True)


def sight(path: Path) -> Sight:
    """The entry of the path itself, and the file that it leads to; of either, the error in its place."""
    return (*_status(os.lstat, path), *_status(os.stat, path))


def _sights(paths: tuple[Path, ...]) -> Sight:
    return tuple(fact for path in paths for fact in sight(path))


@define
class Settling:
    """Tells a file that is being written from one that was. Time is any clock that never jumps, in seconds."""

    _seen: Sight | None = field(default=None, init=False)
    _since: float = field(default=0.0, init=False)
    _is_taken: bool = field(default=False, init=False)
    _is_settled: bool = field(default=False, init=False)

    def see(self, sight: Sight, now: float, seconds: float) -> float:
        """How the file looks now. Returns when to look again: 0 to `seconds` from now, while it may still change."""
        if sight != self._seen:
            self._is_settled, self._is_taken = False, False
            self._seen, self._since = sight, now
        left = self._since + seconds - now
        self._is_settled = self._is_settled or left <= 0
        return float("inf") if self._is_settled else left

    def take(self) -> bool:
        """Whether it has settled as something that was not taken yet; now it is."""
        is_new = self._is_settled and not self._is_taken
        self._is_taken = self._is_taken or is_new
        return is_new


def _status(stat: Callable[[Path], os.stat_result], path: Path) -> Sight:
    try:
        found = stat(path)
    except OSError as error:
        return (error.errno,)
    # The time of the inode's change tells of what keeps size and time of the content, as `cp -p` does.
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
