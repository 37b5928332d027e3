"""A copy of the database as it is at one moment, while another process writes to it."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from xopc.contracts.errors import Failure, XopcError
from xopc.storage.connect import connect_reader, explained
from xopc.storage.faults import Obstacle, StorageUnavailableError

SPARE_BYTES = 16 * 1024 * 1024
"""Left free in any case, for the gateway that serves meanwhile."""
MAX_FINDINGS = 3


def copy_database(source: Path, target: Path) -> int:
    """Put a copy of the database at `source`, which is there, at `target`, which is not; gives its schema.

    The copy is whole, checked, on the disk, and for its owner alone to read; it has no write-ahead log, and nothing in
    it of what was deleted. The source is only read, through a connection that cannot write: whoever owns it goes on
    meanwhile. Its write-ahead log grows until the copy is made. Blocks, some 10 s for a gigabyte.

    Raises:
        StorageUnavailableError: it may work later: there is no room for the copy, or the disk fails.
        XopcError: `BAD_CONFIG`: the source is damaged, or no database.

    In any case nothing is left at `target` then.
    """
    need_room(source, target.parent)
    with explained(target):
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with explained(source), closing(connect_reader(source)) as connection:
            # Not the backup API: it begins anew with each commit of the owner. This reads one moment of it.
            connection.execute("VACUUM INTO ?", (str(target),))
        schema = check_database(target)
        _flush(target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return schema


def check_database(path: Path) -> int:
    """Read all of a database that nobody else uses, and give its schema.

    Raises:
        XopcError: `BAD_CONFIG`: it is damaged.
    """
    with explained(path), closing(connect_reader(path)) as connection:
        findings = [text for (text,) in connection.execute(f"PRAGMA integrity_check({MAX_FINDINGS})")]
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if findings != ["ok"]:
        raise XopcError(Failure.BAD_CONFIG, f"{path} is damaged: {'; '.join(findings)}")
    return int(schema)


def size_of(path: Path) -> int:
    """How many bytes a database takes, with its write-ahead log."""
    return sum(file.stat().st_size for file in (path, path.with_name(f"{path.name}-wal")) if file.exists())


def need_room(source: Path, folder: Path) -> None:
    """Refuse what would take the room that the owner of the database needs for its next messages.

    Raises:
        StorageUnavailableError: `FULL`.
    """
    with explained(source):
        need, disk = size_of(source) + SPARE_BYTES, os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if disk.f_blocks and free < need:
        what = f"{need // 1024**2 + 1} MB are needed, and {free // 1024**2} MB are free"
        raise StorageUnavailableError(
            Obstacle.FULL, f"There is no room in {folder} for a copy of {source}: {what}. Free some room."
        )


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
