"""Every start and restart has a recorded cause: what the status tells of the last one."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import structlog
from attrs import evolve

import xopc
from xopc.contracts.api.status import Restart, RestartKind
from xopc.core.tasks import utc_now
from xopc.storage.base import Boot, Storage, StorageError
from xopc_supervisor.contract import Go

ANNOUNCED_SECONDS = 60.0
"""A start so long after a restart by the service manager was announced is that restart."""

log = structlog.get_logger("xopc.gateway")


async def record_boot(go: Go, boot_id: str, storage: Storage) -> Restart:
    """Store that this process takes over, and return why. A full disk, which is waited out, costs the record alone.

    When a service manager started it again, the process before has announced that. How long it took is known then;
    else it is for the caller to tell, once the gateway serves.
    """
    cause = await _cause_of(go, boot_id, storage)
    try:
        await storage.record_boot(Boot(boot_id, os.getpid(), xopc.__version__, utc_now(), cause.reason))
    except StorageError as error:
        log.error("This start could not be stored.", reason=cause.reason, error=str(error))
    return cause


async def record_restart(storage: Storage, restart: Restart) -> None:
    """Store a cause. Where the disk does not take it, the log does."""
    try:
        await storage.record_restart(restart)
    except StorageError as error:
        log.error("The cause of this restart could not be stored.", reason=restart.reason, error=str(error))


async def _cause_of(go: Go, boot_id: str, storage: Storage) -> Restart:
    plain = Restart(RestartKind(go.kind), go.reason, boot_id, 1, utc_now(), None)
    try:
        last = await storage.last_restart()
    except StorageError:
        return plain
    if plain.kind is not RestartKind.START or last is None or last.kind is not RestartKind.SERVICE:
        return plain
    seconds = (datetime.now(UTC) - datetime.fromisoformat(last.at)).total_seconds()
    if not 0 <= seconds <= ANNOUNCED_SECONDS:
        return plain
    return evolve(plain, kind=RestartKind.RESPAWN, reason=last.reason, duration_ms=round(seconds * 1000))
