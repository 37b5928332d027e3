"""One gateway per database: a lock on a file beside it, held as long as the database is open.

The lock is the kernel's `flock` on the open file, so it ends with the process that holds it, however that ends. The
file stays; the pid in it is there to be read by people. It is not a lock on the database file itself: sqlite's own
locks there are lost when any descriptor of that file is closed in the process.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

from xopc.storage.connect import explained
from xopc.storage.faults import Obstacle, StorageUnavailableError

POLL_SECONDS = 0.05


@asynccontextmanager
async def hold_lock(database: Path, wait_seconds: float) -> AsyncGenerator[None]:
    """Own the database while the block runs. Waits up to `wait_seconds` for an owner that is about to end.

    Raises:
        StorageUnavailableError: `HELD` when the owner did not end, else why the lock file cannot be opened.
    """
    path = database.with_name(f"{database.name}.lock")
    deadline = trio.current_time() + wait_seconds
    while (descriptor := _try_lock(path)) is None:
        if trio.current_time() >= deadline:
            raise StorageUnavailableError(Obstacle.HELD, _conflict(database, path))
        await trio.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
        os.close(descriptor)


def _try_lock(path: Path) -> int | None:
    """The descriptor of the locked file, or None while somebody else has it."""
    with explained(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return None
            raise
    with suppress(OSError):  # a full disk: the lock holds without the pid
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _conflict(database: Path, path: Path) -> str:
    try:
        pid = int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        owner = "another process"
    else:
        owner = f"process {pid}"
    return (
        f"The database {database} is in use by {owner}, which holds {path.name} beside it. Stop that gateway, "
        "or give this one its own state directory with XOPC_STATE_DIR."
    )
