"""What the lock file says, read without taking the lock: looking must never keep a gateway from starting."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from xopc_supervisor import contract
from xopc_supervisor.contract import LockInfo

MAX_BYTES = 8192


@frozen
class Lock:
    """A lock file at the moment that it was read."""

    path: Path
    info: LockInfo | None
    """None where there is no file, or no lock's text in it."""
    is_alive: bool
    """Whether the recorded supervisor lives, and is not another process with its pid."""
    is_orphaned: bool
    """Whether the supervisor is dead and its gateway is not (yet): it ends by itself."""


def read_lock(path: Path) -> Lock:
    """Read and evaluate the lock file at `path`.

    Raises:
        OSError: there is one, but it cannot be read.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES)
    except FileNotFoundError:
        return Lock(path, None, is_alive=False, is_orphaned=False)
    info = LockInfo.from_json(text.decode("utf-8", "replace"))
    if info is None:
        return Lock(path, None, is_alive=False, is_orphaned=False)
    alive = info.is_alive()
    child_alive = info.child_pid is not None and contract.is_alive(info.child_pid, info.child_start_time)
    return Lock(path, info, is_alive=alive, is_orphaned=child_alive and not alive)
