"""Looks after the room on the disk: how much the gateway takes, and a word before there is none left."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import structlog
import trio
from attrs import frozen

from xopc.contracts.api.storage import StorageUse
from xopc.core.logs.files import log_files
from xopc.gateway.problems import DISK, Problems
from xopc.storage.base import StorageError
from xopc.storage.figures import measure

LOOK_SECONDS = 30.0
FRESH_SECONDS = 5.0
"""For so long a measure is told again."""
PATIENCE_SECONDS = 1.0
"""Whoever asks for figures waits no longer, and gets those of before."""
LOW_BYTES = 256 * 1024 * 1024
LOW_SHARE = 20
"""Less than this, or than a twentieth of a small disk, is little."""
RELIEF = 1.25
"""So many times that is enough again: a limit that is crossed both ways each minute is no news."""

log = structlog.get_logger("xopc.storage")


@frozen
class Disk:
    """One file system."""

    bytes: int
    free_bytes: int
    """As far as the gateway may use it."""

    @property
    def low_bytes(self) -> int:
        """With less than this, it is nearly full."""
        return min(LOW_BYTES, self.bytes // LOW_SHARE)


def disk_of(path: Path) -> Disk:
    """The file system that a path is on.

    Raises:
        OSError: there is no such path.
    """
    found = os.statvfs(path)
    return Disk(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


class Room:
    """The room that one gateway takes. Measures in a thread: a disk may be slow."""

    def __init__(
        self, database: Path, log_dir: Path, problems: Problems, *, look: Callable[[Path], Disk] = disk_of
    ) -> None:
        self._database = database
        self._log_dir = log_dir
        self._problems = problems
        self._look = look
        self._is_low = False
        self.measured_at = -FRESH_SECONDS
        self._use: StorageUse | None = None
        self._measuring = trio.Lock()

    async def watch(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Report started, and look now and then until cancelled."""
        task_status.started()
        while True:
            await self._refresh()
            await trio.sleep(LOOK_SECONDS)

    async def use(self) -> StorageUse | None:
        """What is taken; None where that could never be measured."""
        with trio.move_on_after(PATIENCE_SECONDS):
            await self._refresh()
        return self._use

    async def _refresh(self) -> None:
        async with self._measuring:
            if trio.current_time() - self.measured_at < FRESH_SECONDS:
                return
            try:
                use, disk = await trio.to_thread.run_sync(self._measure, abandon_on_cancel=True)
            except (StorageError, OSError) as error:
                log.debug("The room that the gateway takes cannot be measured.", error=str(error))
                return
            self.measured_at = trio.current_time()
            self._use = use
            self._tell(disk)

    def _measure(self) -> tuple[StorageUse, Disk]:
        figures, disk = measure(self._database), self._look(self._database.parent)
        return StorageUse(
            database_bytes=figures.bytes,
            wal_bytes=figures.wal_bytes,
            free_bytes=figures.free_bytes,
            disk_free_bytes=disk.free_bytes,
            log_bytes=_log_bytes(self._log_dir),
            sessions=figures.sessions,
            messages=figures.messages,
            inbox_waiting=figures.inbox_waiting,
            outbox_waiting=figures.outbox_waiting,
            dead_letters=figures.dead_letters,
        ), disk

    def _tell(self, disk: Disk) -> None:
        low = disk.low_bytes * (RELIEF if self._is_low else 1)
        self._is_low = disk.free_bytes < low
        if not self._is_low:
            self._problems.clear(DISK)
            return
        left = f"{disk.free_bytes // 1024**2} MB are free on the disk of {self._database}"
        cure = "free some room before it is full, and messages are refused."
        self._problems.report(DISK, f"Only {left}: {cure}", degrades=False)


def _log_bytes(directory: Path) -> int:
    total = 0
    for file in log_files(directory):
        try:
            total += file.path.stat().st_size
        except FileNotFoundError:  # it has just expired
            continue
    return total
