"""What the lock file says, read without taking the lock: looking must never keep a gateway from starting."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen

from xopc.config.regular import IrregularFileError, read_regular
from xopc_supervisor import contract
from xopc_supervisor.contract import LockInfo


@frozen
class Lock:
    """A lock file at the moment that it was read."""

    path: Path
    info: LockInfo | None
    """None where there is no file, or no lock's text in it."""
    is_irregular: bool = False
    """Whether something stands there that can be no lock: a directory, a pipe."""
    is_alive: bool = False
    """Whether the recorded supervisor lives, and is not another process with its pid."""
    orphans: tuple[int, ...] = ()
    """Its processes, where they live (still) and the supervisor does not: they end by themselves."""
    written_at: datetime | None = None
    """Since when the supervisor is at what the text says."""


def read_lock(path: Path) -> Lock:
    """Read and evaluate the lock file at `path`.

    Raises:
        OSError: there is one, but it cannot be read.
    """
    try:
        text = read_regular(path, LockInfo.MAX_BYTES)
        written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        return Lock(path, None)
    except IrregularFileError:
        return Lock(path, None, is_irregular=True)
    info = LockInfo.from_json(text.decode("utf-8", "replace"))
    if info is None:
        return Lock(path, None)
    if info.is_alive():
        return Lock(path, info, is_alive=True, written_at=written_at)
    family = (info.child_pid, info.child_start_time), (info.candidate_pid, info.candidate_start_time)
    orphans = tuple(pid for pid, started in family if pid is not None and contract.is_alive(pid, started))
    return Lock(path, info, orphans=orphans, written_at=written_at)
