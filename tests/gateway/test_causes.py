from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve

from xopc.contracts.api.status import Restart, RestartKind
from xopc.gateway.causes import record_boot, record_restart
from xopc.storage.sqlite import open_storage
from xopc_supervisor.contract import Go

START = Go("start", "start")
ANNOUNCED = Restart(RestartKind.SERVICE, "an upgrade", "boot-1", 3, "", None)


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


async def test_a_process_serves_for_the_reason_that_it_was_told(tmp_path: Path) -> None:
    async with open_storage(tmp_path / "xopc.db") as storage:
        cause = await record_boot(Go("crash", "killed by SIGKILL", 12.5), "boot-1", storage)
    assert (cause.kind, cause.reason, cause.boot_id) == (RestartKind.CRASH, "killed by SIGKILL", "boot-1")


async def test_a_start_that_was_announced_is_that_restart(tmp_path: Path) -> None:
    async with open_storage(tmp_path / "xopc.db") as storage:
        await record_restart(storage, evolve(ANNOUNCED, at=ago(2)))
        cause = await record_boot(START, "boot-2", storage)
    assert (cause.kind, cause.reason) == (RestartKind.RESPAWN, "an upgrade")
    assert cause.duration_ms is not None
    assert 2000 <= cause.duration_ms < 10_000


@pytest.mark.parametrize("seconds", [100, -100])
async def test_an_old_announcement_or_one_from_the_future_explains_nothing(tmp_path: Path, seconds: float) -> None:
    async with open_storage(tmp_path / "xopc.db") as storage:
        await record_restart(storage, evolve(ANNOUNCED, at=ago(seconds)))
        assert (await record_boot(START, "boot-2", storage)).kind is RestartKind.START


async def test_a_crash_after_an_announcement_is_a_crash(tmp_path: Path) -> None:
    async with open_storage(tmp_path / "xopc.db") as storage:
        await record_restart(storage, evolve(ANNOUNCED, at=ago(2)))
        cause = await record_boot(Go("crash", "exit code 1"), "boot-2", storage)
    assert cause.kind is RestartKind.CRASH
