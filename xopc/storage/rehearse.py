"""A newer schema is tried on a copy of the database, while another process serves the real one."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path

from xopc.contracts.errors import Failure, XopcError
from xopc.storage.connect import connect_reader, explained
from xopc.storage.copy import SPARE_BYTES, size_of
from xopc.storage.faults import Obstacle, StorageUnavailableError
from xopc.storage.migrate import MIGRATIONS, Migration, migrate, missing_migrations

COPIES = 2
"""Room for so many databases: a migration may write all of the copy anew."""


def rehearse(path: Path, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
    """Return if the database at `path` can be brought to the newest schema. Blocks, for a large one perhaps for long.

    The migrations that it lacks, if any, run on a copy, which is checked and thrown away. The database itself is only
    read, through a connection that cannot write; whoever owns it goes on meanwhile, and may write.

    Raises:
        StorageUnavailableError: it may work later: there is no room for the copy, or the disk fails.
        XopcError: `BAD_CONFIG`: a migration fails, the schema is newer than known, or the file is damaged.
    """
    _remove_leftovers(path)
    missing = missing_migrations(path, migrations)
    if not missing or not path.exists():
        return
    _need_room(path)
    with explained(path):
        descriptor, name = tempfile.mkstemp(prefix=_prefix(path), dir=path.parent)  # mode 0600; never two of a name
        os.close(descriptor)
    try:
        _copy(path, name)
        _try(path, name, missing)
    finally:
        with suppress(OSError):  # the next rehearsal removes it
            os.unlink(name)  # noqa: PTH108  mkstemp gives a text


def _copy(path: Path, name: str) -> None:
    # Not the backup API: it begins anew with each commit of the owner. This reads one moment of it.
    with explained(path), closing(connect_reader(path)) as connection:
        connection.execute("VACUUM INTO ?", (name,))


def _try(path: Path, name: str, missing: tuple[Migration, ...]) -> None:
    try:
        with closing(sqlite3.connect(name, isolation_level=None)) as connection:
            # Nobody needs the copy after a crash, nor after a failure: no journal, no flush.
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA foreign_keys = ON")
            migrate(connection, missing)
            _check(connection)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise _no_room(path, "the disk became full") from error
        raise _refused(path, error) from error
    except sqlite3.Error as error:
        raise _refused(path, error) from error


def _check(connection: sqlite3.Connection) -> None:
    findings = [text for (text,) in connection.execute("PRAGMA integrity_check(3)")]
    if findings != ["ok"]:
        raise sqlite3.DatabaseError(f"after migrating, it is damaged: {'; '.join(findings)}")


def _need_room(path: Path) -> None:
    """Refuse what would take the room that the owner of the database needs for its next messages."""
    with explained(path):
        size, disk = size_of(path), os.statvfs(path.parent)
    need, free = COPIES * size + SPARE_BYTES, disk.f_bavail * disk.f_frsize
    if disk.f_blocks and free < need:
        raise _no_room(path, f"{need // 1024**2 + 1} MB are needed, and {free // 1024**2} MB are free")


def _no_room(path: Path, what: str) -> StorageUnavailableError:
    message = f"There is no room beside {path} to try its newer schema on a copy: {what}. Free some room."
    return StorageUnavailableError(Obstacle.FULL, message)


def _refused(path: Path, error: sqlite3.Error) -> XopcError:
    what = " ".join([str(error), *getattr(error, "__notes__", ())])
    message = (
        f"{path} cannot be brought to the schema of this version of xopc: {what}. That was tried on a copy, and the "
        "database is as it was. Install the version that uses it now, and report this."
    )
    return XopcError(Failure.BAD_CONFIG, message)


def _remove_leftovers(path: Path) -> None:
    """Remove what rehearsals left behind that were killed."""
    with suppress(OSError):  # no directory yet, or one that may not be read: the copy will tell
        for file in [*path.parent.iterdir()]:
            if file.name.startswith(_prefix(path)):
                file.unlink(missing_ok=True)


def _prefix(path: Path) -> str:
    return f"{path.name}.rehearsal-"
