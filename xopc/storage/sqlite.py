"""The storage in one SQLite file: each transaction is a function of a connection, in the module of its subject."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from xopc.contracts.api.status import Restart
from xopc.storage.base import Boot
from xopc.storage.connect import explained
from xopc.storage.engine import open_engine
from xopc.storage.faults import OnFault
from xopc.storage.lock import hold_lock
from xopc.storage.migrate import prepare
from xopc.storage.sqlite_path import SqlitePath
from xopc.storage.transactions.backlog import Backlog, select_backlog
from xopc.storage.transactions.boots import insert_boot
from xopc.storage.transactions.restarts import insert_restart, select_last_restart
from xopc.storage.transactions.traces import StoredTrace, select_traces
from xopc.storage.writer import OnCommit


@asynccontextmanager
async def open_storage(
    path: Path,
    *,
    wait_seconds: float = 8.0,
    clock: Callable[[], float] = time.time,
    on_fault: OnFault = lambda _: None,
    on_commit: OnCommit = lambda _transactions, _seconds: None,
) -> AsyncGenerator[SqliteStorage]:
    """Own the database at `path` while the block runs: locked, at the newest schema, created if it is not there.

    Waits up to `wait_seconds` for an owner that is about to end. At the end of the block, what was submitted is
    finished first, and the lock is given up last. `clock` gives the seconds since the epoch that are stored.
    `on_fault` hears what is wrong with the disk, in a sentence, whenever that changes, and None when it works again.
    `on_commit` hears of each commit, in a thread of the storage's.

    Raises (on entry alone, with a sentence for whoever starts the gateway):
        StorageUnavailableError: it may pass; its `obstacle` says what it is: `HELD` by another gateway, a `FULL` disk…
        XopcError: `BAD_CONFIG`: no retry mends it (a newer schema, a damaged file). The file is left as it was.
    """
    with explained(path):
        _make_folder(path.parent)
    async with hold_lock(path, wait_seconds):
        await trio.to_thread.run_sync(prepare, path)
        async with open_engine(path, on_fault, on_commit) as engine:
            yield SqliteStorage(engine, clock)


class SqliteStorage(SqlitePath):
    """`storage.base.Storage` and `storage.path.PathStorage` over one engine. Opened by `open_storage`."""

    async def record_boot(self, boot: Boot) -> None:
        await self._engine.write(insert_boot, boot)

    async def record_restart(self, restart: Restart) -> None:
        await self._engine.write(insert_restart, restart)

    async def backlog(self) -> Backlog:
        return await self._engine.read_apart(select_backlog)

    async def ways(self, wanted: str) -> list[StoredTrace]:
        return await self._engine.read_apart(select_traces, wanted)

    async def last_restart(self) -> Restart | None:
        return await self._engine.read(select_last_restart)


def _make_folder(folder: Path) -> None:
    """Make it, and what is missing above it, for the owner alone."""
    # Not mkdir(parents=True), which applies the mode to the last only.
    for missing in [parent for parent in (*reversed(folder.parents), folder) if not parent.exists()]:
        missing.mkdir(mode=0o700, exist_ok=True)
