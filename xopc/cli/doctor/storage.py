"""Is the database whole, is there room for more, and does the clock go on from where it was?"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from xopc.cli.doctor.check import Check, Fault, Result, Sight
from xopc.cli.output import duration, size
from xopc.config.audit import Severity
from xopc.contracts.errors import XopcError

AHEAD_SECONDS = 300
"""A clock that was set right by less does no harm."""


def look_at_database(sight: Sight) -> Result:
    """Can it be read, by this version, and is its content whole?"""
    from xopc.storage.verify import is_newer, verify

    path = sight.target.paths.database
    if not path.exists():
        return Result(f"There is no {path}: the first start makes it")
    try:
        if is_newer(path):
            cure = "Install the version that used it last, or a newer one: xopc update"
            return _critical("storage.newer-schema", "A newer version of xopc has used the database", path, "", cure)
        broken = verify(path)
    except XopcError as error:
        return _critical("storage.damaged", "The database cannot be used", path, error.message, _restore(path))
    if broken:
        return _critical("storage.damaged", "The database is damaged", path, "\n".join(broken), _restore(path))
    return Result(f"{path} is whole ({size(path.stat().st_size)})")


def look_at_disk(sight: Sight) -> Result:
    """Is there room for more?"""
    from xopc.cli.gateway.deep import disk_below, is_low

    paths = sight.target.paths
    faults: list[Fault] = []
    free: list[str] = []
    for place in dict.fromkeys((paths.state_dir, paths.log_dir, paths.workspace)):
        disk = disk_below(place)
        if disk is None or f"{size(disk.free_bytes)} are free" in free:
            continue
        free.append(f"{size(disk.free_bytes)} are free")
        if is_low(disk):
            what = f"The disk is nearly full: {size(disk.free_bytes)} of {size(disk.bytes)} are free"
            cure = "Delete what you no longer need, or give the disk more room."
            why = "On a full disk, messages are refused."
            faults.append(Fault("storage.disk-low", Severity.CRITICAL, what, str(place), why, cure))
    return Result.of(faults, f"On the disk, {', '.join(free)}" if free else "")


def look_at_clock(sight: Sight) -> Result:
    """Was anything of the gateway's written later than now?"""
    now = time.time()
    newest = max(((path.stat().st_mtime, path) for path in _written(sight) if path.exists()), default=None)
    if newest is None or newest[0] - now <= AHEAD_SECONDS:
        return Result("The clock is not behind what was written")
    at, path = newest
    what = f"The clock is {duration(at - now)} behind the last thing that was written"
    when = datetime.fromtimestamp(at, UTC).isoformat(sep=" ", timespec="seconds")
    why = f"It was written at {when}. Jobs wait for their time, and certificates seem not to be valid yet."
    cure = "Look at the clock with: date. Where it is wrong, have it set by the network: sudo timedatectl set-ntp true"
    return Result("", (Fault("clock.behind", Severity.WARN, what, str(path), why, cure),))


def _critical(code: str, title: str, path: Path, detail: str, cure: str) -> Result:
    return Result("", (Fault(code, Severity.CRITICAL, title, str(path), detail, cure),))


def _written(sight: Sight) -> Iterator[Path]:
    paths = sight.target.paths
    yield from (paths.database, paths.database.with_name(f"{paths.database.name}-wal"), paths.lock_path)
    yield from sorted(paths.log_dir.glob("app-*.log")) if paths.log_dir.is_dir() else ()


def _restore(path: Path) -> str:
    aside = shlex.quote(f"{path}.damaged")
    return f"Stop the gateway, and restore a backup; or begin with an empty one: mv {shlex.quote(str(path))} {aside}"


CHECKS = (
    Check("storage.database", "storage", look_at_database),
    Check("storage.disk", "storage", look_at_disk),
    Check("clock.time", "storage", look_at_clock),
)
