"""Reads that take long, each in a thread of its own, so that the event loop goes on meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import trio

from xopc.storage.connect import connect_reader

MAX_APART = 2
"""At once; others wait."""
QUICK_ROWS = 100
"""Rows with texts of any length that the event loop reads at once; more are read apart."""
LOOK_EVERY = 20_000
"""Steps of sqlite's machine, a millisecond or less, between two looks whether anybody still waits."""

T = TypeVar("T")
Args = TypeVarTuple("Args")


class ApartReader:
    """Connections that read in threads, opened when they are needed first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._limiter = trio.CapacityLimiter(MAX_APART)
        self._idle: list[sqlite3.Connection] = []

    async def read(self, query: Callable[[sqlite3.Connection, *Args], T], *args: *Args) -> T:
        """The result of `query(connection, *args)`, which sees one moment of the database and cannot change it.

        Raises:
            sqlite3.Error: the database cannot be read.
            Exception: whatever else `query` raised.

        Cancellation: ends the query within milliseconds.
        """
        try:
            return await trio.to_thread.run_sync(self._run, query, *args, limiter=self._limiter)
        except sqlite3.Error:
            await trio.lowlevel.checkpoint_if_cancelled()
            raise

    async def aclose(self) -> None:
        """Wait for the queries that run, and close. Harmless when closed.

        Cancellation: waits in any case: the writer has to be the last to close.
        """
        with trio.CancelScope(shield=True):
            places = [object() for _ in range(MAX_APART)]
            for place in places:
                await self._limiter.acquire_on_behalf_of(place)
            for place in places:
                self._limiter.release_on_behalf_of(place)
        while self._idle:
            self._idle.pop().close()

    def _run(self, query: Callable[[sqlite3.Connection, *Args], T], *args: *Args) -> T:
        connection = self._idle.pop() if self._idle else self._open()
        try:
            connection.execute("BEGIN")
            try:
                return query(connection, *args)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        finally:
            self._idle.append(connection)

    def _open(self) -> sqlite3.Connection:
        connection = connect_reader(self._path, any_thread=True)
        connection.set_progress_handler(_is_given_up, LOOK_EVERY)
        return connection


def _is_given_up() -> bool:
    """Whether sqlite shall stop: whoever asked is cancelled."""
    try:
        trio.from_thread.check_cancelled()
    except trio.Cancelled:
        return True
    return False
