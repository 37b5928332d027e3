"""The thread that writes: a group of the transactions that wait, their commit, one wake-up for all who wait; and again.

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
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, TypeAlias

import trio
from attrs import frozen
from outcome import Error, Outcome, Value

from xopc.storage.base import StorageError
from xopc.storage.faults import FaultWatch, OnFault, Whereabouts
from xopc.storage.reclaim import Reclaim

MAX_GROUP = 512
"""Transactions in one commit: bounds how long the first of them waits for the last."""

OnCommit: TypeAlias = Callable[[int, float], None]
"""Takes how many transactions a commit brought to the disk, and the seconds that it took."""


@frozen(eq=False)
class Waiting:
    """A transaction that somebody waits for."""

    task: trio.lowlevel.Task
    transaction: Callable[..., Any]
    args: tuple[Any, ...]


class WriterThread:
    """Commits what it is given, in the order in which it is given.

    *Ownership*: takes over the connection, and closes it when it ends.
    """

    def __init__(self, writer: sqlite3.Connection, path: Path, on_fault: OnFault, on_commit: OnCommit) -> None:
        """Begins at once. `on_fault` is called on the running event loop, `on_commit` in this thread."""
        self._writer = writer
        self._queue: SimpleQueue[Waiting | sqlite3.Error | None] = SimpleQueue()
        self._token = token = trio.lowlevel.current_trio_token()
        self._whereabouts = Whereabouts(path)
        self._faults = FaultWatch(path, lambda sentence: token.run_sync_soon(on_fault, sentence))
        self._reclaim = Reclaim()
        self._on_commit = on_commit
        # A daemon: a disk that hangs must not keep the process from exiting.
        self._thread = threading.Thread(target=self._serve, name="storage-writer", daemon=True)
        self._thread.start()

    def submit(self, waiting: Waiting) -> None:
        """Run and commit a transaction. Its task is scheduled again with what came of it, in any case."""
        self._queue.put(waiting)

    def strike(self, error: sqlite3.Error) -> None:
        """A reader has met this."""
        self._queue.put(error)

    def end(self) -> None:
        """Finish what was submitted, and end. Nothing is submitted after that."""
        self._queue.put(None)

    async def until_ended(self) -> None:
        """Wait for the end of the thread. *Cancellation*: waits in any case."""
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._thread.join, limiter=trio.CapacityLimiter(1))

    def _serve(self) -> None:
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

    def _next_group(self) -> tuple[list[Waiting], bool]:
        """Wait for a transaction, or for the time to look at a fault or at the room, and take those that came with it;
        and whether more may follow."""
        group: list[Waiting] = []
        with suppress(Empty):
            seconds = self._faults.seconds_left
            item = self._queue.get(timeout=self._reclaim.seconds_left if seconds is None else seconds)
            while item is not None:
                if isinstance(item, Waiting):
                    group.append(item)
                else:
                    self._faults.strike(item)
                if len(group) == MAX_GROUP:
                    break
                item = self._queue.get_nowait()
            return group, item is not None
        return group, True

    def _commit(self, group: list[Waiting]) -> list[Outcome[Any]]:
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

    def _guarded(self, writer: sqlite3.Connection, waiting: Waiting) -> Outcome[Any]:
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


def _trusted(writer: sqlite3.Connection, waiting: Waiting) -> Outcome[Any]:
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


def _answer(group: list[Waiting], outcomes: list[Outcome[Any]]) -> None:
    for waiting, outcome in zip(group, outcomes, strict=True):
        trio.lowlevel.reschedule(waiting.task, outcome)
