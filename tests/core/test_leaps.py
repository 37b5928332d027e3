from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from xopc.core.leaps import WallClock

EPOCH = 1_800_000_000.0
HOUR = 3600.0


class Wall:
    ahead = 0.0

    def __call__(self) -> float:
        return EPOCH + trio.current_time() + self.ahead


async def test_time_that_passes_is_no_leap(autojump_clock: MockClock) -> None:
    clock = WallClock(Wall())
    await trio.sleep(100 * HOUR)
    assert clock.now() == EPOCH + 100 * HOUR
    assert clock.age(EPOCH) == 100 * HOUR
    assert clock.leaps == 0


@pytest.mark.parametrize(("by", "leaps"), [(59, 0), (-59, 0), (60, 1), (-60, 1)])
async def test_a_correction_is_no_leap(by: float, leaps: int, autojump_clock: MockClock) -> None:
    wall = Wall()
    clock = WallClock(wall)
    wall.ahead = by
    assert clock.now() == EPOCH + by
    clock.now()
    assert clock.leaps == leaps


async def test_what_came_before_a_leap_is_no_older_by_it_and_what_came_after_it_is_as_old_as_it_is(
    autojump_clock: MockClock,
) -> None:
    wall = Wall()
    clock = WallClock(wall)
    await trio.sleep(10)
    wall.ahead = 50 * HOUR
    clock.now()
    await trio.sleep(100)
    after = wall()
    await trio.sleep(1000)
    assert clock.age(EPOCH) == 1110
    assert clock.age(after) == 1000


async def test_a_leap_that_was_taken_back_does_not_count(autojump_clock: MockClock) -> None:
    wall = Wall()
    clock = WallClock(wall)
    for ahead in (50 * HOUR, 20 * HOUR, 0):
        await trio.sleep(10)
        wall.ahead = ahead
        clock.now()
    assert clock.leaps == 3
    assert clock.age(EPOCH - 5) == 35
