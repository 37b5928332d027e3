"""The SQLite engine: one thread writes, and groups the transactions that wait into one commit.

What makes a transaction durable is a flush of the disk, and a flush costs the same for one as for five hundred.
While the thread commits a group, the next one gathers in its queue; so nobody waits for company, and the busier it
gets, the larger the groups. A connection per caller would be slower (sqlite has one writer at a time, and every
caller would pay for a flush of its own), and a lock around one connection would keep the flush per caller.

The failure of one transaction takes nothing else with it. A group runs without savepoints at first, because they cost
half as much as a small transaction, and next to nothing fails; when something does, the group is taken back and run
again, each transaction in a savepoint of its own.

A disk that fails is told as a standing fault. As long as there is one, the thread looks for its end by itself, with a
commit that changes nothing, and so it ends without anybody's traffic.
"""

from __future__ import annotations

import sqlite3
import threading
import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, TypeAlias, TypeVar, TypeVarTuple

import trio
from attrs import frozen
from outcome import Error, Outcome, Value

from xopc.storage.apart import ApartReader
from xopc.storage.base import StorageError
from xopc.storage.connect import connect_reader, connect_writer, explained, truncate_log
from xopc.storage.faults import FaultWatch, OnFault, Whereabouts
from xopc.storage.reclaim import Reclaim

MAX_GROUP = 512
"""Transactions in one commit: bounds how long the first of them waits for the last."""

OnCommit: TypeAlias = Callable[[int, float], None]
"""Takes how many transactions a commit brought to the disk, and the seconds that it took."""

T = TypeVar("T")
Args = TypeVarTuple("Args")


@frozen(eq=False)
class _Waiting:
    """A transaction that somebody waits for."""

    task: trio.lowlevel.Task
    transaction: Callable[..., Any]
    args: tuple[Any, ...]


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
        self._writer = writer
        self._reader = reader
        self._queue: SimpleQueue[_Waiting | sqlite3.Error | None] = SimpleQueue()
        """Also errors that a reader met, and None as the last."""
        self._token = token = trio.lowlevel.current_trio_token()
        self._whereabouts = Whereabouts(path)
        self._path = path
        self._apart = ApartReader(path)
        self._faults = FaultWatch(path, lambda sentence: token.run_sync_soon(on_fault, sentence))
        self._reclaim = Reclaim()
        self._on_commit = on_commit
        self._closed = False
        # A daemon: a disk that hangs must not keep the process from exiting.
        self._thread = threading.Thread(target=self._serve, name="storage-writer", daemon=True)
        self._thread.start()

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
        self._queue.put(_Waiting(trio.lowlevel.current_task(), transaction, args))
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
            self._queue.put(error)
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
            self._queue.put(error)
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
            self._queue.put(None)
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._thread.join, limiter=trio.CapacityLimiter(1))

    def _serve(self) -> None:
        """The writer's thread: a group, its commit, one wake-up of the event loop for all who wait; and again."""
        is_open = True
        while is_open:
            group, is_open = self._next_group()
            if group:
                # The event loop is there: it cannot end while somebody waits, because waiting is not cancelled.
                self._token.run_sync_soon(_answer, group, self._commit(group))
            if self._faults.seconds_left == 0:
                self._faults.look(self._probe)
            elif self._faults.seconds_left is None and self._reclaim.seconds_left == 0:
                self._keep_up()
        self._writer.close()

    def _next_group(self) -> tuple[list[_Waiting], bool]:
        """Wait for a transaction, or for the time to look at a fault or at the room, and take those that came with it;
        and whether more may follow."""
        group: list[_Waiting] = []
        with suppress(Empty):
            seconds = self._faults.seconds_left
            item = self._queue.get(timeout=self._reclaim.seconds_left if seconds is None else seconds)
            while item is not None:
                if isinstance(item, _Waiting):
                    group.append(item)
                else:
                    self._faults.strike(item)
                if len(group) == MAX_GROUP:
                    break
                item = self._queue.get_nowait()
            return group, item is not None
        return group, True

    def _commit(self, group: list[_Waiting]) -> list[Outcome[Any]]:
        """Commit a group, and return what each of it gets. All of it that did not fail is stored, or none."""
        for attempt in (_trusted, self._guarded):
            outcomes: list[Outcome[Any]] = []
            try:
                began = monotonic()
                self._writer.execute("BEGIN IMMEDIATE")
                outcomes += [attempt(self._writer, waiting) for waiting in group]
                self._whereabouts.check()
                self._writer.execute("COMMIT")
            except BaseException as error:  # not lost: all who wait get it, and the thread lives on
                fault, is_over = error, not self._writer.in_transaction
                # A cursor that was not read to its end, in a result or in a frame, would outlive the rollback.
                outcomes.clear()
                traceback.clear_frames(error.__traceback__)
                self._roll_back()
                if is_over:  # it never began, or sqlite took it back by itself: see `_guarded`
                    break
            else:
                self._on_commit(len(group), monotonic() - began)
                return outcomes
        self._faults.strike(fault)
        return [Error(_not_stored(fault)) for _ in group]

    def _keep_up(self) -> None:
        """Give back a bit of the room that is not needed. A disk that fails then would have failed the next commit."""
        try:
            self._whereabouts.check()
            self._reclaim.step(self._writer)
        except (sqlite3.Error, OSError) as error:
            self._faults.strike(error)

    def _probe(self) -> None:
        """Commit something that changes nothing.

        Raises:
            sqlite3.Error, OSError: the disk does not take it.
        """
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            _touch(self._writer)
            self._whereabouts.check()
            self._writer.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")

    def _guarded(self, writer: sqlite3.Connection, waiting: _Waiting) -> Outcome[Any]:
        """Run one transaction in its savepoint.

        Raises:
            BaseException: the error at which sqlite rolled the whole group back by itself. It does so when the disk
                is full or failing, see https://sqlite.org/lang_transaction.html#response_to_errors_within_a_transaction
        """
        value: Any = None
        writer.execute("SAVEPOINT attempt")
        try:
            value = waiting.transaction(writer, *waiting.args)
            writer.execute("RELEASE attempt")
        except BaseException as error:
            if not writer.in_transaction:
                raise
            # A cursor that was not read to its end, in the result or in a frame, would block RELEASE and COMMIT.
            value = None
            traceback.clear_frames(error.__traceback__)
            writer.execute("ROLLBACK TO attempt")
            writer.execute("RELEASE attempt")
            if not isinstance(error, sqlite3.Error):
                return Error(error)
            self._faults.strike(error)
            return Error(_not_stored(error))
        return Value(value)


def _trusted(writer: sqlite3.Connection, waiting: _Waiting) -> Outcome[Any]:
    """Run one transaction, whose failure is that of the group."""
    return Value(waiting.transaction(writer, *waiting.args))


def _touch(connection: sqlite3.Connection) -> None:
    """Write the first page as it is."""
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {schema}")


def _not_stored(cause: BaseException) -> StorageError:
    error = StorageError(f"Nothing was stored: {cause}")
    error.__cause__ = cause
    return error


def _answer(group: list[_Waiting], outcomes: list[Outcome[Any]]) -> None:
    for waiting, outcome in zip(group, outcomes, strict=True):
        trio.lowlevel.reschedule(waiting.task, outcome)
