"""Connections to the database file, and what it means when there is none to be had."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from xopc.contracts.errors import Failure, XopcError
from xopc.storage.faults import Obstacle, StorageUnavailableError, obstacle_of
from xopc.storage.reclaim import WAL_BYTES

WRITER_BUSY_SECONDS = 5.0
"""How long a commit waits for another program that writes, such as a `sqlite3` shell."""
READER_BUSY_SECONDS = 0.1
"""Short, because reads run on the event loop. In WAL mode a reader waits for next to nothing."""

_IN_THE_WAY = {
    Obstacle.FULL: "The disk is full: free some room.",
    Obstacle.BROKEN: "The disk fails: see what the system's log says.",
    Obstacle.READ_ONLY: "See whether its disk or its directory is read-only.",
    Obstacle.HELD: "Another program holds it: end that.",
}
_OUT_OF_REACH = "Look for missing permissions on it and its directory, and for a lack of memory."


def connect_writer(path: Path) -> sqlite3.Connection:
    """A connection for writing, in autocommit; creates the file, readable by its owner alone.

    Durable: a COMMIT that has returned survives the loss of power, if the disk does what it says.

    Raises:
        sqlite3.Error, OSError: see `explained`.

    Ownership: the caller's to close. May move to another thread, but serves one at a time.
    """
    if not path.exists():
        # Not left to sqlite, which goes by the umask. It gives the -wal and -shm files the mode of this one.
        path.touch(mode=0o600)
    connection = sqlite3.connect(path, timeout=WRITER_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        if not path.stat().st_size:  # only before anything is in it; later it would be a write for nothing
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS, where fsync leaves the data in the drive's cache
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten, not just unlinked
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path, *, any_thread: bool = False) -> sqlite3.Connection:
    """A connection that cannot write, to a file that is there.

    Raises:
        sqlite3.Error: see `explained`.

    Ownership: the caller's to close, in the thread that opened it; with `any_thread` it serves one after the other.
    """
    location = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(
        location, uri=True, timeout=READER_BUSY_SECONDS, isolation_level=None, check_same_thread=not any_thread
    )


def truncate_log(path: Path) -> None:
    """Move all of the write-ahead log into the database at `path`, which is there, and empty it. Waits for others, not
    for long.

    Raises:
        sqlite3.Error: see `explained`.
    """
    location = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(location, uri=True, timeout=WRITER_BUSY_SECONDS, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


@contextmanager
def explained(path: Path) -> Generator[None]:
    """Say in a sentence, to whoever starts the gateway, why the database cannot be used.

    Raises:
        StorageUnavailableError: what lies in the way may pass: a full disk, missing permissions, another program.
        XopcError: `BAD_CONFIG`: no retry can mend it. Both instead of sqlite3.Error and OSError.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        what = " ".join([str(error), *getattr(error, "__notes__", ())])
        obstacle = obstacle_of(error, path)
        if obstacle is None:
            message = (
                f"{path} cannot be used: {what}. It was left as it was. Install the version of xopc that "
                "used it last, and report this."
            )
            raise XopcError(Failure.BAD_CONFIG, message) from error
        if obstacle is Obstacle.DAMAGED:
            message = (
                f"{path} is damaged, or not a database of xopc ({what}). Restore a backup of it with "
                f"xopc restore; or, to start with an empty one, move it away together with {path.name}-wal and "
                f"{path.name}-shm."
            )
            raise XopcError(Failure.BAD_CONFIG, message) from error
        cure = _IN_THE_WAY.get(obstacle, _OUT_OF_REACH)
        raise StorageUnavailableError(obstacle, f"{path} cannot be opened: {what}. {cure}") from error
