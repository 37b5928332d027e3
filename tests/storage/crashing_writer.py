"""Writes notes with ascending ids until it is killed, and acknowledges each on a descriptor: `<id>\\n`.

Arguments: the database, the descriptor, the first id.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from itertools import count
from pathlib import Path

import trio

from xopc.storage.engine import open_engine
from xopc.storage.lock import hold_lock

WRITERS = 32


def insert(connection: sqlite3.Connection, note: int) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, body BLOB)")
    connection.execute("INSERT INTO notes VALUES (?, randomblob(300))", (note,))


async def main(path: Path, acknowledge: int, first: int) -> None:
    ids = count(first)
    async with hold_lock(path, 5), open_engine(path) as engine, trio.open_nursery() as nursery:

        async def write_for_ever() -> None:
            while True:
                note = next(ids)
                await engine.write(insert, note)
                os.write(acknowledge, b"%d\n" % note)

        for _ in range(WRITERS):
            nursery.start_soon(write_for_ever)


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
