from __future__ import annotations

from collections import deque

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.outbox import HOUR, Carrier, Wall, World, heard, lanes, running
from tests.fakes.path_storage import EPOCH, InlineEngine, InlinePath, nothing
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.messages import Address, ErrorClass, Failed, Outbound, OutboxState, Retry
from xopc.core.outbox.outbox import EXPIRY_SECONDS, MAX_SENDS, Outbox
from xopc.core.outbox.retry import MAX_SUSPECT_ATTEMPTS
from xopc.storage.path.outbox import Attempt, Removal, Selection, lane_of


@pytest.fixture
def wall() -> Wall:
    return Wall()


# --------------------------------------------------------------------- sends


async def test_a_message_is_sent_told_and_noted(storage: InlinePath) -> None:
    async with running(World(storage)) as world, world.hub.subscribe() as events:
        row_id, known = await world.outbox.enqueue(Outbound(Address("telegram", "default", "1"), "hello"), "key")
        assert not known
        assert await world.outbox.enqueue(Outbound(Address("telegram", "default", "1"), "hello"), "key") == (
            row_id, True
        )  # fmt: skip
        await wait_all_tasks_blocked()
        row = await world.row(row_id)
        assert await heard(events) == [
            (
                "message.sent",
                {
                    "channel": "telegram",
                    "accountId": "default",
                    "chatId": "1",
                    "messageId": row_id,
                    "platformMessageIds": ["1/hello"],
                    "possibleDuplicate": False,
                },
            )
        ]
    assert (row.state, row.attempts, row.platform_ids) == (OutboxState.SENT, 1, ("1/hello",))
    assert world.carrier.sent == [("1", "hello")]


async def test_a_key_that_was_used_for_another_message_is_refused(storage: InlinePath) -> None:
    world = World(storage)
    address = Address("telegram", "default", "1")
    await world.outbox.enqueue(Outbound(address, "hello"), "key")
    with pytest.raises(XopcError) as caught:
        await world.outbox.enqueue(Outbound(address, "good bye"), "key")
    assert caught.value.failure is Failure.CONFLICT


async def test_messages_of_one_chat_go_in_order_one_by_one(storage: InlinePath, autojump_clock: MockClock) -> None:
    world = World(storage, Carrier(seconds=1, script={"0": deque([Retry("busy")])}))
    async with running(world):
        rows = [await world.send(str(number)) for number in range(5)]
        await world.settled(rows[-1])
    assert world.carrier.sent == [("1", str(number)) for number in range(5)]


async def test_chats_go_side_by_side_up_to_a_limit(storage: InlinePath, autojump_clock: MockClock) -> None:
    world = World(storage, Carrier(seconds=1))
    async with running(world):
        rows = [await world.send("hello", chat=str(number)) for number in range(MAX_SENDS + 4)]
        await world.settled(rows[-1])
    assert world.carrier.most_at_once == MAX_SENDS
    assert len(world.carrier.sent) == MAX_SENDS + 4


async def test_a_chat_that_waits_does_not_hold_up_the_others(storage: InlinePath, autojump_clock: MockClock) -> None:
    world = World(storage, Carrier(script={"stuck": deque([Retry("flood", 1000.0)] * (MAX_SENDS + 3))}))
    async with running(world):
        for number in range(MAX_SENDS + 3):
            await world.send("stuck", chat=str(number))
        await world.send("free", chat="free")
        await trio.sleep(1)
        assert world.carrier.sent == [("free", "free")]


async def test_a_lane_has_a_task_only_while_there_is_something_to_send(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage, Carrier(script={"hello": deque([Retry("busy")])}))
    async with running(world):
        row_id = await world.send("hello")
        await trio.sleep(0.5)
        assert lanes() == ["lane telegram:default:1"]
        await world.settled(row_id)
        await wait_all_tasks_blocked()
        assert lanes() == []


async def test_a_message_that_comes_as_its_lane_ends_is_sent(storage: InlinePath) -> None:
    async with running(World(storage)) as world:
        for number in range(50):
            row_id = await world.send(str(number))
            while (await world.row(row_id)).state is not OutboxState.SENT:
                await trio.lowlevel.checkpoint()
    assert [text for _, text in world.carrier.sent] == [str(number) for number in range(50)]


# ------------------------------------------------------------- time to live


async def test_a_message_is_not_sent_after_its_time_also_when_it_waited_behind_others(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage, Carrier(script={"first": deque([Retry("flood", 50)])}))
    async with running(world), world.hub.subscribe() as events:
        await world.send("first")
        short = await world.send("short", ttl_seconds=49)
        long = await world.send("long", ttl_seconds=51)
        assert (await world.settled(long)).state is OutboxState.SENT
        row = await world.row(short)
        told = [(kind, data["messageId"], data.get("errorClass")) for kind, data in await heard(events)]
    assert (row.state, row.error_class, row.attempts) == (OutboxState.DEAD, ErrorClass.EXPIRED, 0)
    assert row.last_error == "It was not sent within 49 seconds, so it is not sent any more."
    assert told[0] == ("message.failed", short, "expired")
    assert [text for _, text in world.carrier.sent] == ["first", "long"]


async def test_a_message_whose_own_time_is_over_is_reported_while_it_waits_behind_others(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage, Carrier(script={"first": deque([Retry("flood", 1000)])}))
    async with running(world), world.hub.subscribe() as events:
        first = await world.send("first")
        short = await world.send("short", ttl_seconds=60)
        last = await world.send("last", ttl_seconds=2000)
        await trio.sleep(60 + EXPIRY_SECONDS)
        row = await world.row(short)
        assert (row.state, row.error_class, row.attempts) == (OutboxState.DEAD, ErrorClass.EXPIRED, 0)
        ((name, data),) = await heard(events)
        assert (name, data["messageId"], data["errorClass"]) == ("message.failed", short, "expired")
        assert (await world.row(first)).state is OutboxState.PENDING
        await world.settled(last)
    assert world.carrier.sent == [("1", "first"), ("1", "last")]


async def test_a_message_that_is_being_sent_when_its_time_is_over_is_not_given_up(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage, Carrier(seconds=100))
    async with running(world):
        assert (await world.settled(await world.send("slow", ttl_seconds=10))).state is OutboxState.SENT


async def test_the_own_time_of_a_message_is_not_that_of_a_clock_that_is_set(
    storage: InlinePath, autojump_clock: MockClock, wall: Wall
) -> None:
    world = World(storage, Carrier(script={"first": deque([Retry("flood", 1000)])}), wall=wall)
    async with running(world):
        await world.send("first")
        short = await world.send("short", ttl_seconds=600)
        await trio.sleep(10)
        wall.ahead = 25 * HOUR
        await trio.sleep(500)
        assert (await world.row(short)).state is OutboxState.PENDING
        await trio.sleep(100)
        assert (await world.row(short)).state is OutboxState.DEAD


async def test_a_message_that_waits_for_its_next_attempt_is_given_up_when_its_time_is_over(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage, Carrier(script={"flood": deque([Retry("flood", 1000, whole_account=True)])}))
    async with running(world):
        await world.send("flood")
        await wait_all_tasks_blocked()
        row = await world.settled(await world.send("hello", chat="2", ttl_seconds=100))
        assert 100 <= trio.current_time() < 101
    assert row.error_class is ErrorClass.EXPIRED
    assert world.carrier.times("hello") == []


async def test_after_a_long_outage_what_is_too_old_is_reported_and_not_sent(
    disk: InlineEngine, autojump_clock: MockClock
) -> None:
    first = World(InlinePath(disk))
    old = [await first.send(str(number), chat=str(number % 7)) for number in range(110)]
    await trio.sleep(25 * HOUR)
    fresh = await first.send("fresh", chat="1")
    async with running(World(InlinePath(disk))) as second:
        assert (await second.settled(fresh)).state is OutboxState.SENT
        rows = [await second.settled(row_id) for row_id in old]
    assert {(row.state, row.error_class) for row in rows} == {(OutboxState.DEAD, ErrorClass.EXPIRED)}
    assert second.carrier.sent == [("1", "fresh")]


async def test_the_time_of_messages_that_wait_changes_with_the_configuration(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage, Carrier(script={"first": deque([Retry("flood", 50)])}))
    async with running(world):
        await world.send("first")
        row_id = await world.send("second")
        await wait_all_tasks_blocked()
        world.ttl_seconds = 40
        assert (await world.settled(row_id)).error_class is ErrorClass.EXPIRED


async def test_a_dead_letter_that_is_retried_has_all_its_time_again(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage, Carrier(script={"hello": deque([Failed("blocked"), Retry("busy")])}))
    async with running(world):
        row_id = await world.send("hello")
        await trio.sleep(9 * 24 * HOUR)
        assert await world.outbox.retry_dead(row_id)
        assert (await world.settled(row_id)).state is OutboxState.SENT


# ------------------------------------------------------------------ by hand


async def test_a_message_that_waits_can_be_taken_back_and_those_behind_it_go_on(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage, Carrier(script={"hello": deque([Retry("flood", 1000)])}))
    async with running(world), world.hub.subscribe() as events:
        row_id, behind = await world.send("hello"), await world.send("next")
        await trio.sleep(5)
        assert await world.outbox.remove(row_id) is Removal.CANCELLED
        assert (await world.settled(behind)).state is OutboxState.SENT
        assert [kind for kind, _ in await heard(events)] == ["message.sent"]
        assert trio.current_time() < 10
        assert (await world.row(row_id)).state is OutboxState.CANCELLED
        assert await world.outbox.remove("msg_unknown") is None


async def test_a_message_that_is_taken_back_in_the_last_moment_is_not_sent(storage: InlinePath) -> None:
    world = World(storage)
    removals: list[Removal | None] = []

    async def take_back(transaction: str) -> None:
        storage.disk.after_commit = nothing
        (head,) = await storage.outbox_lanes("", 1)
        row = await storage.outbox_head(head.lane)
        assert row is not None
        removals.append(await world.outbox.remove(row.id))

    async with running(world):
        await wait_all_tasks_blocked()
        storage.disk.after_commit = take_back
        row_id = await world.send("hello")
        await wait_all_tasks_blocked()
        assert removals == [Removal.CANCELLED]
        assert (await world.row(row_id)).attempts == 0
    assert world.carrier.calls == []


async def test_all_dead_letters_of_a_selection_can_be_sent_again(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage, Carrier(script={"hello": deque([Failed("blocked")] * 6)}))
    async with running(world):
        rows = [await world.send("hello", chat=str(number % 3)) for number in range(6)]
        for row_id in rows:
            await world.settled(row_id)
        assert await world.outbox.retry_all_dead(Selection(channel="weixin")) == 0
        assert await world.outbox.retry_all_dead(Selection(chat="1")) == 2
        await wait_all_tasks_blocked()
        assert await world.outbox.retry_all_dead(Selection()) == 4
        assert {(await world.settled(row_id)).state for row_id in rows} == {OutboxState.SENT}
    assert [chat for chat, _ in world.carrier.sent[:2]] == ["1", "1"]


# ----------------------------------------------------------------- restarts


async def test_what_was_not_sent_is_sent_by_the_next_process_when_its_time_has_come(
    disk: InlineEngine, autojump_clock: MockClock
) -> None:
    first = World(InlinePath(disk), Carrier(script={"hello": deque([Retry("flood", 60)])}))
    async with running(first):
        row_id = await first.send("hello")
        await trio.sleep(5)
    await first.send("after", chat="1")
    await first.send("elsewhere", chat="2")
    async with running(World(InlinePath(disk))) as second:
        await second.settled(row_id)
        await wait_all_tasks_blocked()
    assert second.carrier.calls == [(5, "2", "elsewhere"), (60, "1", "hello"), (60, "1", "after")]


async def test_what_was_in_flight_is_sent_again_as_a_possible_duplicate_from_its_next_part(
    disk: InlineEngine, autojump_clock: MockClock
) -> None:
    first = World(InlinePath(disk), Carrier(seconds=2))
    async with running(first):
        row_id = await first.send("one|two")
        await trio.sleep(3)
        assert (await first.row(row_id)).state is OutboxState.INFLIGHT
    async with running(World(InlinePath(disk))) as second:
        row = await second.settled(row_id)
    assert [text for _, _, text in second.carrier.calls] == ["two"]
    assert (row.state, row.possible_duplicate, row.attempts) == (OutboxState.SENT, True, 2)


@pytest.mark.parametrize(("is_idempotent", "tries"), [(False, 2), (True, MAX_SUSPECT_ATTEMPTS)])
async def test_a_message_at_which_processes_died_gets_one_more_try_where_it_could_be_seen_twice(
    disk: InlineEngine, autojump_clock: MockClock, is_idempotent: bool, tries: int
) -> None:
    carriers: list[Carrier] = []
    world = World(InlinePath(disk))
    row_id = await world.send("poison")
    for _ in range(MAX_SUSPECT_ATTEMPTS + 2):
        world = World(InlinePath(disk), Carrier(seconds=2, is_idempotent=is_idempotent))
        carriers.append(world.carrier)
        async with running(world):  # each ends as it sends
            await trio.sleep(1)
    row = await world.row(row_id)
    assert sum(len(carrier.calls) for carrier in carriers) == tries
    assert (row.state, row.error_class, row.possible_duplicate) == (
        OutboxState.DEAD,
        ErrorClass.UNKNOWN,
        not is_idempotent,
    )
    assert row.last_error == f"It may have been sent already: {tries} attempts ended without an answer."


async def test_a_message_that_comes_during_the_replay_is_sent(storage: InlinePath) -> None:
    world = World(storage)

    async def come(transaction: str) -> None:
        if transaction == "recover_outbox":
            storage.disk.after_commit = nothing
            await world.send("hello")

    storage.disk.after_commit = come
    async with running(world):
        await wait_all_tasks_blocked()
    assert world.carrier.sent == [("1", "hello")]


# --------------------------------------------------------------------- drain


async def test_a_drain_waits_for_the_sends_under_way_and_begins_no_other(
    disk: InlineEngine, autojump_clock: MockClock
) -> None:
    world = World(InlinePath(disk), Carrier(seconds=2, script={"busy": deque([Retry("busy", 60.0)])}))
    async with running(world):
        under_way, behind = await world.send("hello"), await world.send("next")
        waiting = await world.send("busy", chat="2")
        await trio.sleep(1)
        await world.outbox.drain()
        assert trio.current_time() == 2
        await world.send("late", chat="3")
        await trio.sleep(100)
        states = [(await world.row(row_id)).state for row_id in (under_way, behind, waiting)]
        assert lanes() == []
    assert states == [OutboxState.SENT, OutboxState.PENDING, OutboxState.PENDING]
    assert [text for _, text in world.carrier.sent] == ["hello"]


async def test_a_drain_between_two_parts_leaves_the_rest_and_nothing_unclear(
    disk: InlineEngine, autojump_clock: MockClock
) -> None:
    world = World(InlinePath(disk), Carrier(seconds=2))
    async with running(world):
        row_id = await world.send("one|two|three")
        await trio.sleep(1)
        await world.outbox.drain()
        row = await world.row(row_id)
    assert (row.state, row.parts_sent, row.possible_duplicate) == (OutboxState.PENDING, 1, False)
    async with running(World(InlinePath(disk))) as later:
        row = await later.settled(row_id)
    assert (row.state, row.possible_duplicate) == (OutboxState.SENT, False)
    assert [text for _, _, text in later.carrier.calls] == ["two", "three"]


async def test_a_drain_of_an_outbox_that_never_ran_ends_at_once(storage: InlinePath) -> None:
    world = World(storage)
    await world.send("hello")
    await world.outbox.drain()
    assert [head.lane for head in await storage.outbox_lanes("", 9)] == [lane_of("telegram", "default", "1")]


async def test_a_sender_that_was_replaced_ends_what_it_began_and_the_next_message_is_anothers(
    disk: InlineEngine, autojump_clock: MockClock
) -> None:
    before, after = Carrier(seconds=2), Carrier()
    storage, channels = InlinePath(disk), {"telegram": before}
    world = World(storage)
    world.outbox = Outbox(storage, channels, world.hub, jitter=lambda: 0)
    async with running(world):
        await world.send("one|two")
        await world.send("three")
        await trio.sleep(1)
        channels["telegram"] = after
        await world.outbox.finish_with(before)
        assert trio.current_time() == 4
        await wait_all_tasks_blocked()
        await world.outbox.finish_with(before)
    assert [text for _, text in before.sent] == ["one", "two"]
    assert [text for _, text in after.sent] == ["three"]


# ------------------------------------------------------- a storage that fails


async def test_what_was_sent_is_not_sent_again_because_that_could_not_be_stored(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage)

    async def fill(transaction: str) -> None:
        storage.disk.full = storage.disk.full or transaction == "begin_attempt"

    storage.disk.after_commit = fill
    async with running(world):
        row_id = await world.send("hello")
        await trio.sleep(20)
        storage.disk.after_commit = nothing
        storage.disk.full = False
        row = await world.settled(row_id)
    assert world.carrier.sent == [("1", "hello")]
    assert (row.state, row.attempts) == (OutboxState.SENT, 1)


async def test_a_lane_whose_attempt_cannot_begin_goes_on_later(storage: InlinePath, autojump_clock: MockClock) -> None:
    async with running(World(storage)) as world:
        row_id = await world.send("hello")
        storage.disk.full = True
        await trio.sleep(20)
        assert world.carrier.calls == []
        storage.disk.full = False
        assert (await world.settled(row_id)).state is OutboxState.SENT


async def test_the_start_does_not_wait_for_a_storage_that_fails_but_the_sending_does(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage)
    row_id = await world.send("hello")
    storage.disk.full = True
    async with running(world):
        assert trio.current_time() == 0
        await trio.sleep(10)
        assert world.carrier.calls == []
        storage.disk.full = False
        assert (await world.settled(row_id)).state is OutboxState.SENT


# ---------------------------------------------------------- a clock that leaps


@pytest.mark.parametrize("by", [-5 * HOUR, 5 * HOUR])
async def test_a_clock_that_is_set_while_a_message_waits_changes_nothing_of_that(
    storage: InlinePath, autojump_clock: MockClock, wall: Wall, by: float
) -> None:
    carrier = Carrier(script={"hello": deque([Retry("busy"), Retry("flood", 700), Retry("busy")])})
    world = World(storage, carrier, wall=wall)
    async with running(world):
        row_id = await world.send("hello")
        await trio.sleep(0.5)
        wall.ahead += by
        await trio.sleep(20)
        wall.ahead -= by / 2
        await world.settled(row_id)
    assert carrier.times("hello") == [0, 1, 701, 705]


async def test_a_time_that_a_clock_left_hours_ahead_is_not_waited_for(
    disk: InlineEngine, autojump_clock: MockClock, wall: Wall
) -> None:
    first = World(InlinePath(disk), Carrier(script={"hello": deque([Retry("busy")])}), wall=wall)
    wall.ahead = 9 * HOUR
    async with running(first):
        row_id = await first.send("hello")
        await trio.sleep(0.5)
    wall.ahead = 0
    async with running(World(InlinePath(disk), wall=wall)) as second:
        await second.settled(row_id)
    assert second.carrier.times("hello") == [0.5 + 1]


async def test_a_clock_that_is_set_forward_by_days_gives_no_message_up(
    storage: InlinePath, autojump_clock: MockClock, wall: Wall
) -> None:
    world = World(storage, Carrier(script={"hello": deque([Retry("busy")] * 4)}), wall=wall)
    async with running(world):
        row_id = await world.send("hello")
        await trio.sleep(0.5)
        wall.ahead += 40 * 24 * HOUR
        assert (await world.settled(row_id)).state is OutboxState.SENT
    assert world.carrier.times("hello") == [0, 1, 3, 7, 15]


async def test_a_clock_that_is_set_wrongly_for_a_while_makes_nothing_old(
    storage: InlinePath, autojump_clock: MockClock, wall: Wall
) -> None:
    world = World(storage, wall=wall)
    async with running(world):
        row_id = await world.send("hello")
        await world.settled(row_id)
        wall.ahead += 40 * 24 * HOUR
        await trio.sleep(1.5 * HOUR)
        wall.ahead -= 40 * 24 * HOUR
        await trio.sleep(10 * HOUR)
        assert await storage.outbox_row(row_id) is not None
        await trio.sleep(16 * HOUR)
        assert await storage.outbox_row(row_id) is None


async def test_what_is_old_is_forgotten_every_hour(storage: InlinePath, autojump_clock: MockClock) -> None:
    async with running(World(storage)) as world:
        row_id = await world.send("hello")
        await world.settled(row_id)
        storage.disk.full = True
        await trio.sleep(HOUR)
        storage.disk.full = False
        await trio.sleep(22 * HOUR)
        assert await storage.outbox_row(row_id) is not None
        await trio.sleep(3 * HOUR)
        assert await storage.outbox_row(row_id) is None


async def test_times_are_those_of_the_storage(storage: InlinePath, autojump_clock: MockClock) -> None:
    world = World(storage)
    row_id = await world.send("hello")
    await storage.settle(row_id, Attempt(OutboxState.PENDING, next_attempt_at=EPOCH + 50, pause_seconds=60))
    async with running(world):
        await world.settled(row_id)
    assert world.carrier.times("hello") == [50]
    assert await storage.outbox_head(lane_of("telegram", "default", "1")) is None
