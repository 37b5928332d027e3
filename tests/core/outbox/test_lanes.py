from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.outbox import HOUR, Carrier, World, lanes, running
from tests.fakes.path_storage import InlineEngine, InlinePath
from xopc.contracts.messages import Address, ErrorClass, Outbound, OutboxRow, OutboxState, Retry
from xopc.core.outbox import lanes as module
from xopc.core.outbox.lanes import LOOK_SECONDS, MAX_LANES, SHARE, Lane
from xopc.storage.path.outbox import lane_of

FEW = 5


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are tasks for no more than a few lanes, and a look shows fewer than that."""
    monkeypatch.setattr(module, "MAX_LANES", FEW)
    monkeypatch.setattr(module, "READ_AT_ONCE", FEW - 2)


async def fill(storage: InlinePath, count: int, *texts: str) -> list[str]:
    """So many chats with these messages; their ids."""
    addresses = [Address("telegram", "default", f"{number:03}") for number in range(count)]
    rows = [await storage.enqueue(Outbound(address, text)) for address in addresses for text in texts]
    return [row_id for row_id, _ in rows]


async def test_what_is_sent_is_all_sent_with_no_more_than_a_few_tasks(
    storage: InlinePath, autojump_clock: MockClock, few: None
) -> None:
    await fill(storage, 40, "a", "b")
    world = World(storage, Carrier(seconds=1))
    most = 0
    async with running(world):
        for _ in range(2 * 80 // FEW + FEW):
            await trio.sleep(0.5)
            most = max(most, len(lanes()))
    assert most == FEW
    assert sorted(world.carrier.sent) == [(f"{number:03}", text) for number in range(40) for text in "ab"]
    for number in range(40):
        assert [text for chat, text in world.carrier.sent if chat == f"{number:03}"] == ["a", "b"]


async def test_thousands_of_lanes_are_not_all_read_at_the_start(storage: InlinePath) -> None:
    await fill(storage, 3 * MAX_LANES, "a")
    world = World(storage, Carrier(seconds=10))
    async with running(world):
        await wait_all_tasks_blocked(0.01)
        assert len(lanes()) == MAX_LANES


async def test_lanes_that_wait_give_their_tasks_to_those_that_can_send(
    storage: InlinePath, autojump_clock: MockClock, few: None
) -> None:
    await fill(storage, 3 * FEW, "stuck")
    world = World(storage, Carrier(script={"stuck": deque([Retry("flood", 1000)] * (3 * FEW))}))
    async with running(world):
        await trio.sleep(1)
        assert len(world.carrier.calls) == 3 * FEW
        free = [await world.send("free", chat=f"free {number}") for number in range(2 * FEW)]
        await trio.sleep(LOOK_SECONDS)
        assert {(await world.row(row_id)).state for row_id in free} == {OutboxState.SENT}
        await trio.sleep(1000 + LOOK_SECONDS)
        assert await storage.outbox_lanes("", 1) == []
    assert all(at >= 1000 for at in world.carrier.times("stuck")[3 * FEW :])


async def test_a_long_lane_has_its_share_and_then_the_others_have_theirs(
    storage: InlinePath, autojump_clock: MockClock, few: None
) -> None:
    await fill(storage, FEW, *(f"{number:03}" for number in range(5 * SHARE)))
    world = World(storage, Carrier(seconds=1))
    for number in range(FEW):
        await world.send("short", chat=f"x{number}")
    async with running(world):
        await trio.sleep(2 * SHARE)
        assert len(world.carrier.times("short")) == FEW
        await trio.sleep(5 * SHARE)
        assert await storage.outbox_lanes("", 1) == []
    for number in range(FEW):
        sent = [text for chat, text in world.carrier.sent if chat == f"{number:03}"]
        assert sent == [f"{text:03}" for text in range(5 * SHARE)]


async def test_what_expires_without_a_task_is_reported_in_the_next_rounds(
    disk: InlineEngine, autojump_clock: MockClock, few: None
) -> None:
    storage = InlinePath(disk)
    ids = await fill(storage, 4 * FEW, "stuck")
    world = World(storage, Carrier(script={"stuck": deque([Retry("flood", 1000, whole_account=True)])}), ttl_seconds=60)
    async with running(world):
        await trio.sleep(61 + LOOK_SECONDS)
        rows = [await world.row(row_id) for row_id in ids]
    assert {row.error_class for row in rows} <= {ErrorClass.EXPIRED, None}
    assert {row.state for row in rows if row.error_class is None} <= {OutboxState.SENT}
    assert await storage.outbox_lanes("", 1) == []


async def test_a_message_to_a_lane_without_a_task_is_found(
    storage: InlinePath, autojump_clock: MockClock, few: None
) -> None:
    await fill(storage, 3 * FEW, "slow")
    world = World(storage, Carrier(seconds=1))
    async with running(world):
        await trio.sleep(0.5)
        first, last = await world.send("new", chat="!"), await world.send("new", chat="~")
        for row_id in (first, last):
            assert (await world.settled(row_id)).state is OutboxState.SENT


async def test_while_there_is_room_a_lane_waits_in_its_task(storage: InlinePath, autojump_clock: MockClock) -> None:
    world = World(storage, Carrier(script={"hello": deque([Retry("flood", HOUR)])}))
    async with running(world):
        await world.send("hello")
        await trio.sleep(HOUR - 1)
        assert lanes() == ["lane telegram:default:1"]
        await trio.sleep(2)
    assert world.carrier.times("hello") == [0, HOUR]


async def test_a_lane_hurries_unless_the_platform_asked_for_its_pause(autojump_clock: MockClock) -> None:
    lane = Lane(lane_of("telegram", "work", "1"))
    assert lane.account == ("telegram", "work")
    for is_asked in (False, True):
        lane.plan("msg_1", 7.0, 60, is_asked=is_asked)
        assert lane.knows("msg_1", 7.0)
        lane.hurry()
        assert (lane.pause() > 0) == is_asked
        assert lane.woken.is_set()


class Watched(InlinePath):
    """Tells when the first message of a lane is read."""

    looks = 0
    when_there_is_none: Callable[[], Awaitable[object]] | None = None
    """Runs once, before whoever looked knows it."""

    async def outbox_head(self, lane: str) -> OutboxRow | None:
        self.looks += 1
        row = await super().outbox_head(lane)
        if row is None and self.when_there_is_none is not None:
            happen, self.when_there_is_none = self.when_there_is_none, None
            await happen()
        return row


async def test_a_lane_that_waits_does_not_look_again_for_each_new_message_and_sends_all_in_the_end(
    disk: InlineEngine, autojump_clock: MockClock
) -> None:
    storage = Watched(disk)
    world = World(storage, Carrier(script={"hello": deque([Retry("flood", HOUR)])}))
    async with running(world):
        await world.send("hello")
        await trio.sleep(1)
        looks = storage.looks
        rows = [await world.send(f"more {number}") for number in range(10)]
        await wait_all_tasks_blocked()
        assert storage.looks == looks
        assert (await world.settled(rows[-1])).state is OutboxState.SENT
    assert [text for _, text in world.carrier.sent] == ["hello", *(f"more {number}" for number in range(10))]


async def test_what_comes_as_a_lane_finds_nothing_more_is_sent(disk: InlineEngine, autojump_clock: MockClock) -> None:
    storage = Watched(disk)
    world = World(storage, Carrier())
    storage.when_there_is_none = partial(world.send, "late")
    async with running(world):
        await world.send("hello")
        await trio.sleep(1)
    assert [text for _, text in world.carrier.sent] == ["hello", "late"]
    assert autojump_clock.current_time() == 1
