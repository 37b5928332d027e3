"""The storage that the gateway needs: one method per transaction, not per table.

Each method is durable when it returns, or has raised and changed nothing.
"""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from xopc.contracts.api.status import Restart


@frozen
class Boot:
    """One life of a gateway process."""

    id: str
    pid: int
    version: str
    started_at: str
    """ISO 8601, UTC."""
    cause: str


class StorageError(Exception):
    """The storage did not take a transaction, and nothing of it is stored; or it could not be read.

    The cause is its `__cause__`. It may pass, as a full disk does: the storage takes the next one as usual.
    """


class Storage(Protocol):
    """What a generation and the requests use of the storage."""

    async def record_boot(self, boot: Boot) -> None:
        """Store that a process took the database over."""
        ...

    async def record_restart(self, restart: Restart) -> None:
        """Store that a generation took over, and why."""
        ...

    async def last_restart(self) -> Restart | None:
        """The newest start or restart, of whichever process."""
        ...
