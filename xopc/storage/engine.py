"""The SQLite engine: one thread writes, and groups the transactions that wait into one commit.

What makes a transaction durable is a flush of the disk, and a flush costs the same for one as for five hundred.
While the thread commits a group, the next one gathers in its queue; so nobody waits for company, and the busier it
gets, the larger the groups. A connection per caller would be slower (sqlite has one writer at a time, and every
caller would pay for a flush of its own), and a lock around one connection would keep the flush per caller.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import trio

from xopc.storage.apart import ApartReader
from xopc.storage.base import StorageError
from xopc.storage.connect import connect_reader, connect_writer, explained, truncate_log
from xopc.storage.faults import OnFault
from xopc.storage.writer import OnCommit, Waiting, WriterThread

T = TypeVar("T")
Args = TypeVarTuple("Args")


@asynccontextmanager
async def open_engine(
    path: Path, on_fault: OnFault = lambda _: None, on_commit: OnCommit = lambda _transactions, _seconds: None
) -> AsyncGenerator[Engine]:
    """The engine on the database at `path`, which is created if it is not there. Its schema is the caller's matter.

    What was submitted before the exit is finished before the exit. `on_fault` is called on the event loop with what
    is wrong with the disk, in a sentence, whenever that changes, and with None when it works again: before whoever
    met the fault has his answer, and within seconds after its end. `on_commit` is called in the writer's thread.

    Raises:
        XopcError: the file cannot be used.
    """
    with explained(path):
        writer = connect_writer(path)
        try:
            reader = connect_reader(path)
            for connection in (writer, reader):  # they open the write-ahead log at their first look, by its name
                connection.execute("PRAGMA user_version").fetchone()
        except BaseException:
            writer.close()
            raise
        engine = Engine(writer, reader, path, on_fault, on_commit)
    try:
        yield engine
    finally:
        await engine.aclose()


class Engine:
    """Runs transactions against one database. Opened by `open_engine`.

    A transaction is a function of a connection in autocommit. It neither begins, commits nor rolls back, lets
    sqlite's errors out, and returns values, not cursors. It may be run twice, taken back in between: it does nothing
    but to the connection.
    """

    def __init__(
        self,
        writer: sqlite3.Connection,
        reader: sqlite3.Connection,
        path: Path,
        on_fault: OnFault,
        on_commit: OnCommit,
    ) -> None:
        """Takes both connections over: `writer` into a thread of its own, `reader` into the running event loop."""
        self._writer = WriterThread(writer, path, on_fault, on_commit)
        self._reader = reader
        self._path = path
        self._apart = ApartReader(path)
        self._closed = False

    async def write(self, transaction: Callable[[sqlite3.Connection, *Args], T], *args: *Args) -> T:
        """Run `transaction(connection, *args)` in the writer's thread; its result, once it is durable.

        Raises:
            StorageError: sqlite refused it, or the group that it was committed with. Nothing of it is stored.
            trio.ClosedResourceError: the engine is closed.
            Exception: whatever else `transaction` raised. Nothing of it is stored.

        Cancellation: before the transaction is submitted. After that the answer is waited for in any case,
        because whether it was stored must be known; a cancellation then strikes at the caller's next checkpoint.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._closed:
            raise trio.ClosedResourceError
        self._writer.submit(Waiting(trio.lowlevel.current_task(), transaction, args))
        return await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)

    async def read(self, query: Callable[[sqlite3.Connection, *Args], T], *args: *Args) -> T:
        """The result of `query(connection, *args)`, which sees one moment of the database and cannot change it.

        Sees all that `write` has answered before. Runs on the event loop, after a checkpoint: finding a row takes
        some 4 µs, the way to a thread and back more than ten times that. So a query finds its rows by an index,
        and few of them.

        Raises:
            StorageError: the database cannot be read.
            trio.ClosedResourceError: the engine is closed.
            Exception: whatever else `query` raised.
        """
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise trio.ClosedResourceError
        try:
            self._reader.execute("BEGIN")
            try:
                return query(self._reader, *args)
            finally:
                if self._reader.in_transaction:
                    self._reader.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._writer.strike(error)
            raise StorageError(f"The database cannot be read: {error}") from error

    async def read_apart(self, query: Callable[[sqlite3.Connection, *Args], T], *args: *Args) -> T:
        """As `read`, in a thread, for a query that may read many rows. Two at once; others wait.

        Cancellation: ends the query.
        """
        if self._closed:
            raise trio.ClosedResourceError
        try:
            return await self._apart.read(query, *args)
        except sqlite3.Error as error:
            self._writer.strike(error)
            raise StorageError(f"The database cannot be read: {error}") from error

    async def truncate_log(self) -> None:
        """Write what the write-ahead log holds into the database, and empty the file: what it still shows of the past
        is gone. Does what it can while others read, and nothing where the disk fails."""
        with suppress(sqlite3.Error):
            await trio.to_thread.run_sync(truncate_log, self._path)

    async def aclose(self) -> None:
        """Finish what was submitted, then close. Harmless when closed.

        Cancellation: waits in any case: as long as the thread writes, nobody else may own the database.
        """
        if not self._closed:
            self._closed = True
            await self._apart.aclose()
            # Before the writer, because the last to close empties the write-ahead log, and a reader cannot.
            self._reader.close()
            self._writer.end()
        await self._writer.until_ended()
