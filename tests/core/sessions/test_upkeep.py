from __future__ import annotations

import trio
from trio.testing import MockClock

from tests.fakes.path_storage import InlinePath, stored_now
from xopc.contracts.settings.routing import SessionRetention
from xopc.core.hub import Hub
from xopc.core.sessions.upkeep import BATCH, FIRST_PRUNE_SECONDS, GATHER_SECONDS, PRUNE_SECONDS, Upkeep
from xopc.storage.path.sessions import Keeping, PruneQuery, SessionChange, SessionQuery

DAY_SECONDS = 24 * 3600


def key(name: object) -> str:
    return f"main:webchat:default:direct:{name}"


async def keys(storage: InlinePath) -> set[str]:
    return {session.key for session in (await storage.sessions(SessionQuery(limit=500)))[0]}


async def accessed(storage: InlinePath, name: str) -> float:
    session = await storage.session(key(name))
    assert session is not None
    return session.last_accessed_at


async def test_accesses_are_stored_together_some_seconds_late(storage: InlinePath, autojump_clock: MockClock) -> None:
    upkeep = Upkeep(storage, Hub("boot"), SessionRetention, stored_now)
    for name in "ab":
        await storage.create_session(key(name), name)
    before = stored_now()
    async with trio.open_nursery() as nursery:
        await nursery.start(upkeep.run)
        await trio.sleep(10)
        for name in ("a", "b", "a", "gone"):
            upkeep.note_access(key(name))
        await trio.sleep(GATHER_SECONDS / 2)
        assert await accessed(storage, "a") == before
        await trio.sleep(GATHER_SECONDS)
        assert await accessed(storage, "a") == await accessed(storage, "b") == before + 10
        assert storage.disk.commits.count("touch_sessions") == 1
        nursery.cancel_scope.cancel()


async def test_the_last_accesses_are_stored_at_the_end_and_a_full_disk_ends_nothing(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    upkeep = Upkeep(storage, Hub("boot"), SessionRetention, stored_now)
    await storage.create_session(key("a"), "a")
    before = stored_now()
    async with trio.open_nursery() as nursery:
        await nursery.start(upkeep.run)
        storage.disk.full = True
        upkeep.note_access(key("a"))
        await trio.sleep(2 * GATHER_SECONDS)
        storage.disk.full = False
        upkeep.note_access(key("a"))
        nursery.cancel_scope.cancel()
    assert await accessed(storage, "a") == before + 2 * GATHER_SECONDS


async def test_what_the_settings_say_is_pruned_from_time_to_time(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    retention = SessionRetention()
    upkeep = Upkeep(storage, Hub("boot"), lambda: retention, stored_now)
    for name in "abcd":
        await storage.create_session(key(name), name)
        await trio.sleep(1)
    await storage.change_session(key("a"), SessionChange(Keeping.PINNED))
    async with trio.open_nursery() as nursery:
        await nursery.start(upkeep.run)
        await trio.sleep(2 * FIRST_PRUNE_SECONDS)
        assert len(await keys(storage)) == 4
        retention = SessionRetention(max_entries=2)
        await trio.sleep(PRUNE_SECONDS)
        assert await keys(storage) == {key("a"), key("c"), key("d")}
        retention = SessionRetention(prune_after_ms=DAY_SECONDS * 1000)
        await trio.sleep(DAY_SECONDS / 2)
        assert len(await keys(storage)) == 3
        await trio.sleep(DAY_SECONDS)
        assert await keys(storage) == {key("a")}
        nursery.cancel_scope.cancel()


async def test_a_clock_that_was_just_set_prunes_nothing_until_the_next_time(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    leap = 0.0
    retention = SessionRetention(prune_after_ms=DAY_SECONDS * 1000)
    upkeep = Upkeep(storage, Hub("boot"), lambda: retention, lambda: stored_now() + leap)
    await storage.create_session(key("a"), "a")
    async with trio.open_nursery() as nursery:
        await nursery.start(upkeep.run)
        await trio.sleep(2 * FIRST_PRUNE_SECONDS)
        leap = 30 * DAY_SECONDS
        await trio.sleep(PRUNE_SECONDS)
        assert await keys(storage) == {key("a")}
        leap = 0.0
        await trio.sleep(2 * PRUNE_SECONDS)
        assert await keys(storage) == {key("a")}
        leap = 30 * DAY_SECONDS
        await trio.sleep(4 * PRUNE_SECONDS)
        assert await keys(storage) == set()
        nursery.cancel_scope.cancel()


async def test_a_prune_goes_in_batches_and_tells_each_session(storage: InlinePath, autojump_clock: MockClock) -> None:
    hub = Hub("boot")
    upkeep = Upkeep(storage, hub, SessionRetention, stored_now)
    names = [f"{number:03}" for number in range(BATCH + 1)]
    for name in names:
        await storage.create_session(key(name), name)
    async with hub.subscribe(types=("session.deleted",)) as events:
        pruned = await upkeep.prune(PruneQuery())
        assert [event.data["key"] for event in await events.receive()] == pruned == list(map(key, names))
    assert storage.disk.commits.count("prune_sessions") == 2
    assert await keys(storage) == set()
