"""What was sent without having been asked for: the same is not told twice within a day."""

from __future__ import annotations

import sqlite3
from hashlib import sha256

from xopc.contracts.messages import Outbound
from xopc.storage.transactions.batches import BATCH, delete_some

TOLD_SECONDS = 24 * 3600
"""How long the same text is not sent to the same place again."""


def is_told_first(connection: sqlite3.Connection, outbound: Outbound, now: float) -> bool:
    """Whether this text was not told at this place within a day; from now on it was."""
    digest = _digest(outbound)
    row = connection.execute("SELECT told_at FROM told WHERE digest = ?", (digest,)).fetchone()
    if row is not None and abs(now - row[0]) < TOLD_SECONDS:  # a clock that is set back must not silence it for longer
        return False
    connection.execute("INSERT OR REPLACE INTO told (digest, told_at) VALUES (?, ?)", (digest, now))
    return True


def prune_told(connection: sqlite3.Connection, now: float, most: int = BATCH) -> int:
    """Forget what was told more than a day ago, so many texts at most. How many it was."""
    old = "DELETE FROM told WHERE digest IN (SELECT digest FROM told WHERE abs(told_at - ?) >= ? LIMIT ?)"
    return delete_some(connection, most, (old, (now, TOLD_SECONDS)))


def _digest(outbound: Outbound) -> str:
    address = outbound.address
    parts = (address.channel, address.account, address.chat, address.thread or "", outbound.text.strip())
    return sha256("\x1f".join(parts).encode(errors="surrogatepass")).hexdigest()
