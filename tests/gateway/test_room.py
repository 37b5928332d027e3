"""How much room the gateway takes, and a word before there is none left."""

from __future__ import annotations

from pathlib import Path

import trio
from attrs import define, evolve, field

from tests.storage.values import acceptance
from xopc.gateway.problems import Problems
from xopc.gateway.room import LOW_BYTES, Disk, Room, disk_of
from xopc.storage.sqlite import open_storage

MB = 1024 * 1024


@define
class World:
    """A home with a disk whose free room the test says."""

    home: Path
    disk: Disk = field(factory=lambda: Disk(100_000 * MB, 50_000 * MB))
    problems: Problems = field(factory=Problems)
    again: Room = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.again = self.room()

    def room(self) -> Room:
        return Room(self.home / "xopc.db", self.home / "logs", self.problems, look=lambda _: self.disk)

    async def told_with(self, free_mb: int) -> str | None:
        """What stands when a look finds so much room."""
        self.disk = evolve(self.disk, free_bytes=free_mb * MB)
        self.again.measured_at = -100.0
        await self.again.use()
        return next((problem.message for problem in self.problems.standing() if problem.code == "disk"), None)


async def test_sizes_and_numbers_are_told(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "app-2026-11-19.log").write_bytes(b"x" * 1000)
    (tmp_path / "logs" / "app-2026-11-20.log").write_bytes(b"x" * 234)
    (tmp_path / "logs" / "other").write_bytes(b"x" * 5000)
    async with open_storage(tmp_path / "xopc.db") as storage:
        await storage.accept([acceptance("run-1"), acceptance("run-2")])
        use = await World(tmp_path).room().use()
        assert use is not None
        assert (use.log_bytes, use.disk_free_bytes) == (1234, 50_000 * MB)
        assert (use.sessions, use.messages, use.inbox_waiting, use.outbox_waiting) == (1, 0, 2, 0)
        assert use.database_bytes + use.wal_bytes > 4096


async def test_a_measure_is_told_again_for_some_seconds(tmp_path: Path) -> None:
    async with open_storage(tmp_path / "xopc.db") as storage:
        room = World(tmp_path).room()
        first = await room.use()
        await storage.accept([acceptance("run-1")])
        assert await room.use() is first
        room.measured_at -= 10
        again = await room.use()
        assert again is not None
        assert again.inbox_waiting == 1


async def test_where_nothing_can_be_measured_nothing_is_told(tmp_path: Path) -> None:
    world = World(tmp_path / "nowhere")
    assert await world.room().use() is None
    assert world.problems.standing() == ()


async def test_a_disk_that_is_nearly_full_is_told_before_it_is_full(tmp_path: Path) -> None:
    async with open_storage(tmp_path / "xopc.db"):
        world = World(tmp_path)
        low = LOW_BYTES // MB
        assert await world.told_with(low) is None
        told = await world.told_with(low - 1)
        assert told == (
            f"Only {low - 1} MB are free on the disk of {tmp_path / 'xopc.db'}: free some room before it is full, "
            "and messages are refused."
        )
        assert not world.problems.degrades
        assert await world.told_with(low + 10) is not None, "it does not come and go"
        assert await world.told_with(2 * low) is None


async def test_of_a_small_disk_a_twentieth_is_little(tmp_path: Path) -> None:
    async with open_storage(tmp_path / "xopc.db"):
        world = World(tmp_path, Disk(1000 * MB, 0))
        assert await world.told_with(50) is None
        assert await world.told_with(49) is not None


async def test_the_watch_looks_by_itself(tmp_path: Path) -> None:
    async with open_storage(tmp_path / "xopc.db"), trio.open_nursery() as nursery:
        world = World(tmp_path, Disk(1000 * MB, 1 * MB))
        await nursery.start(world.room().watch)
        with trio.fail_after(10):
            while True:
                if world.problems.standing():
                    break
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()


def test_the_disk_of_a_path_has_room_for_what_is_free(tmp_path: Path) -> None:
    disk = disk_of(tmp_path)
    assert 0 <= disk.free_bytes <= disk.bytes
