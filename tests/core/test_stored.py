from __future__ import annotations

import trio
from trio.testing import MockClock

from xopc.core.stored import until_stored
from xopc.storage.base import StorageError


async def test_what_has_to_be_stored_is_tried_until_it_is(autojump_clock: MockClock) -> None:
    tried: list[float] = []

    async def store(value: str) -> str:
        tried.append(trio.current_time())
        if len(tried) < 8:
            raise StorageError("the disk is full")
        return value

    assert await until_stored(lambda: 0, store, "kept") == "kept"
    assert tried == [0, 1, 3, 7, 15, 31, 61, 91]
