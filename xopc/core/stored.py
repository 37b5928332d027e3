"""What has to be stored, however long that takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

import structlog
import trio
from structlog.typing import FilteringBoundLogger

from xopc.core.outbox.retry import STORAGE_MOST_SECONDS, delay_seconds
from xopc.storage.base import StorageError

T = TypeVar("T")
Args = TypeVarTuple("Args")

_log: FilteringBoundLogger = structlog.get_logger("xopc.outbox")


async def until_stored(jitter: Callable[[], float], transaction: Callable[[*Args], Awaitable[T]], *args: *Args) -> T:
    """Run a transaction of the outbox, again and again until it is stored: what was sent must not be forgotten."""
    failures = 0
    while True:
        try:
            return await transaction(*args)
        except StorageError as error:
            failures += 1
            _log.error("The outbox cannot be stored.", error=str(error))
            await trio.sleep(delay_seconds(failures, jitter(), STORAGE_MOST_SECONDS))
