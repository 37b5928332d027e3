from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio

from xopc.contracts.api.status import Restart, RestartKind
from xopc.contracts.errors import Failure, XopcError
from xopc.storage.base import Boot, Storage, StorageError
from xopc.storage.faults import Obstacle, StorageUnavailableError
from xopc.storage.migrate import LATEST_SCHEMA, schema_version
from xopc.storage.sqlite import open_storage

BOOT = Boot("boot-1", 4711, "1.2.3", "2026-03-01T08:00:00Z", "start")
RESTART = Restart(RestartKind.START, "start", "boot-1", 1, "2026-03-01T08:00:01Z", None)


async def test_what_is_recorded_outlives_the_process(path: Path) -> None:
    async with open_storage(path) as opened:
        storage: Storage = opened
        assert await storage.last_restart() is None
        await storage.record_boot(BOOT)
        await storage.record_restart(RESTART)
        assert await storage.last_restart() == RESTART
    async with open_storage(path) as storage:
        assert await storage.last_restart() == RESTART
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id FROM boots").fetchall() == [("boot-1",)]


async def test_a_boot_that_is_recorded_twice_is_a_storage_error(path: Path) -> None:
    async with open_storage(path) as storage:
        await storage.record_boot(BOOT)
        with pytest.raises(StorageError):
            await storage.record_boot(BOOT)


async def test_what_is_missing_above_the_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    await trio.Path(tmp_path).chmod(0o755)
    path = tmp_path / "state" / "db" / "0a1b2c3d.db"
    async with open_storage(path):
        modes = [parent.stat().st_mode & 0o777 for parent in (path, path.parent, path.parent.parent, tmp_path)]
    assert modes == [0o600, 0o700, 0o700, 0o755]
    assert schema_version(path) == LATEST_SCHEMA


async def test_the_second_of_two_openers_waits_for_the_first_and_then_gives_up(
    path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_storage(path):
        start = trio.current_time()
        with pytest.raises(StorageUnavailableError, match="in use by process") as raised:
            async with open_storage(path):
                pass
        assert trio.current_time() - start >= 8
    assert (raised.value.failure, raised.value.obstacle) == (Failure.CONFLICT, Obstacle.HELD)


async def test_the_second_of_two_openers_finds_what_the_first_stored(path: Path) -> None:
    async def record_and_leave(*, task_status: trio.TaskStatus[None]) -> None:
        async with open_storage(path) as storage:
            task_status.started()
            await trio.sleep(0.1)
            await storage.record_restart(RESTART)

    async with trio.open_nursery() as nursery:
        await nursery.start(record_and_leave)
        async with open_storage(path) as storage:
            assert await storage.last_restart() == RESTART


async def test_a_refused_start_leaves_the_database_as_it_was_and_free(path: Path) -> None:
    content = "not a database, but long enough to be asked\n" * 100
    await trio.Path(path).write_text(content)
    with pytest.raises(XopcError, match="not a database"):
        async with open_storage(path):
            pass
    assert await trio.Path(path).read_text() == content
    await trio.Path(path).unlink()
    async with open_storage(path, wait_seconds=0) as storage:
        assert await storage.last_restart() is None


async def test_a_folder_that_cannot_be_made_says_so(path: Path) -> None:
    await trio.Path(path).touch()
    with pytest.raises(XopcError, match=r"cannot be opened: \[Errno 20\] Not a directory"):
        async with open_storage(path / "xopc.db"):
            pass


async def test_a_cancelled_owner_closes_in_order(path: Path) -> None:
    with trio.CancelScope() as scope:
        async with open_storage(path) as storage:
            await storage.record_restart(RESTART)
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    async with open_storage(path, wait_seconds=0) as storage:
        assert await storage.last_restart() == RESTART
