"""Gives the disk back what the database no longer needs: in small steps, by the thread that writes, between commits.

What is deleted leaves free pages in the file, which the next rows take. Some are kept for that; of more than those, 64
pages (256 KiB) are given back at a time, four times a second. Such a step takes some 10 ms, for which whoever writes
may have to wait; `VACUUM` would take seconds, and the room of a second database.
"""

from __future__ import annotations

import sqlite3
from time import monotonic

STEP_PAGES = 64
STEP_SECONDS = 0.25
LOOK_SECONDS = 60.0
"""Between two looks whether there is anything to give back."""
KEPT_BYTES = 4 * 1024 * 1024
KEPT_SHARE = 10
"""A tenth of the file is kept free, if that is more."""

WAL_BYTES = 8 * 1024 * 1024
"""The write-ahead log is cut to this when it begins anew, as it does each 4 MB; one large commit may need more."""


class Reclaim:
    """When the next step is due, and what it does. For one thread alone."""

    def __init__(self) -> None:
        self.due_at = monotonic() + LOOK_SECONDS

    @property
    def seconds_left(self) -> float:
        """Until the next step is due."""
        return max(self.due_at - monotonic(), 0.0)

    def step(self, connection: sqlite3.Connection) -> None:
        """Give back some pages, if there are many.

        Raises:
            sqlite3.Error: the disk fails.
        """
        self.due_at = monotonic() + LOOK_SECONDS
        if spare_pages(connection):
            # Not `execute`, which takes one step of the statement, and so gives one page back.
            connection.executescript(f"PRAGMA incremental_vacuum({STEP_PAGES});")
            self.due_at = monotonic() + STEP_SECONDS


def spare_pages(connection: sqlite3.Connection) -> int:
    """How many free pages there are beyond those that are kept; none in a database that cannot give them back."""
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (mode,) = connection.execute("PRAGMA auto_vacuum").fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return max(free - max(KEPT_BYTES // page_bytes, pages // KEPT_SHARE), 0) if mode else 0
