"""The message path's storage without its thread: the real transactions, at once, so that a test's clock may jump."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import trio

from xopc.storage.base import StorageError
from xopc.storage.connect import connect_writer
from xopc.storage.engine import Engine
from xopc.storage.migrate import prepare
from xopc.storage.sqlite_path import SqlitePath

EPOCH = 1_800_000_000.0
"""The storage's time when trio's clock says 0."""

T = TypeVar("T")
Args = TypeVarTuple("Args")


def stored_now() -> float:
    """Seconds since the epoch, which pass as trio's clock does."""
    return EPOCH + trio.current_time()


async def nothing(_: str) -> None:
    """Between the commit and its answer nothing happens but that others may run."""
    await trio.lowlevel.checkpoint()


class InlineEngine(Engine):
    """Runs each transaction on the spot, in a commit of its own; refuses it while the disk is `full`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.full = False
        self.refused = 0
        self.commits: list[str] = []
        """The names of what was stored."""
        self.after_commit: Callable[[str], Awaitable[None]] = nothing
        """Runs when the transaction of this name is stored, and whoever asked for it does not know yet."""

    async def write(self, transaction: Callable[[sqlite3.Connection, *Args], T], *args: *Args) -> T:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self.full:
            self.refused += 1
            raise StorageError("Nothing was stored: the disk is full")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = transaction(self._connection, *args)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        self.commits.append(transaction.__name__)
        with trio.CancelScope(shield=True):  # as the real one: the answer cannot be cancelled
            await self.after_commit(transaction.__name__)
        return result

    async def read_apart(self, query: Callable[[sqlite3.Connection, *Args], T], *args: *Args) -> T:
        return await self.read(query, *args)

    async def truncate_log(self) -> None:
        await trio.lowlevel.checkpoint()

    async def read(self, query: Callable[[sqlite3.Connection, *Args], T], *args: *Args) -> T:
        await trio.lowlevel.checkpoint()
        return query(self._connection, *args)


class InlinePath(SqlitePath):
    """One use of the database: a process, as far as the storage knows."""

    def __init__(self, engine: InlineEngine) -> None:
        super().__init__(engine, stored_now)
        self.disk = engine


@contextmanager
def open_disk(path: Path) -> Generator[InlineEngine]:
    """A new database at `path`, which outlives the processes that use it."""
    prepare(path)
    with closing(connect_writer(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        yield InlineEngine(connection)
