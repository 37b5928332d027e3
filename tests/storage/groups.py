"""Transactions that wait together, made so: the writer is kept busy until all of them are submitted."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import outcome
import trio
import trio.testing

from xopc.storage.engine import Engine


@asynccontextmanager
async def stalled(engine: Engine) -> AsyncGenerator[threading.Event]:
    """The writer is busy with a group of one until the event is set: what is submitted meanwhile forms the next."""
    began, go_on = threading.Event(), threading.Event()

    def stall(_: sqlite3.Connection) -> None:
        began.set()
        assert go_on.wait(10)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.write, stall)
        await trio.to_thread.run_sync(began.wait)
        try:
            yield go_on
        finally:
            go_on.set()


async def write_as_group(
    engine: Engine, transactions: Sequence[Callable[[sqlite3.Connection], Any]]
) -> list[outcome.Outcome[Any]]:
    """What each caller got, of transactions that were submitted together."""
    outcomes: dict[int, outcome.Outcome[Any]] = {}

    async def write(number: int) -> None:
        outcomes[number] = await outcome.acapture(engine.write, transactions[number])

    async with trio.open_nursery() as nursery, stalled(engine):
        for number in range(len(transactions)):
            nursery.start_soon(write, number)
        await trio.testing.wait_all_tasks_blocked()
    return [outcomes[number] for number in range(len(transactions))]
