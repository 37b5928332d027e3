"""Forgetting many rows, a few in each commit: whoever has a message to store meanwhile waits for one batch alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import trio

from xopc.storage.engine import Engine

BATCH = 500
"""Rows in one commit, which takes some 10 ms."""
PAUSE_SECONDS = 0.05
"""Between two of them: the writer is there for others most of the time."""


async def in_batches(engine: Engine, forget: Callable[[sqlite3.Connection, float], int], when: float) -> None:
    """Run a transaction that forgets up to `BATCH` rows, and tells how many, until nothing is left for it.

    Raises:
        StorageError: what was forgotten before stays so.
    """
    while await engine.write(forget, when) >= BATCH:  # noqa: ASYNC110  the pause is for others
        await trio.sleep(PAUSE_SECONDS)


def delete_some(connection: sqlite3.Connection, most: int, *deletions: tuple[str, tuple[object, ...]]) -> int:
    """Run statements with their values, to which it adds how many rows each may still delete. How many they did."""
    gone = 0
    for statement, values in deletions:
        if gone < most:
            gone += connection.execute(statement, (*values, most - gone)).rowcount
    return gone
