from __future__ import annotations

from collections import deque

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.outbox import Carrier, World, heard, running
from tests.fakes.path_storage import InlineEngine, InlinePath
from xopc.contracts.messages import Delivery, ErrorClass, Failed, OutboxState, Retry, Unknown
from xopc.contracts.settings.outbox import DAY_SECONDS
from xopc.core.outbox.delivery import SEND_SECONDS
from xopc.core.outbox.outbox import MAX_SENDS
from xopc.core.outbox.pacing import Limit

# ------------------------------------------------------------------- retries


async def test_what_was_not_sent_is_tried_again_later_and_later_and_then_given_up(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage, Carrier(script={"hello": deque([Retry("busy")] * 1000)}))
    async with running(world), world.hub.subscribe() as events:
        row_id, behind = await world.send("hello"), await world.send("next")
        row = await world.settled(row_id, look_seconds=600)
        await world.settled(behind)
        failed, sent = await heard(events)
    times = world.carrier.times("hello")
    assert times[:11] == [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811]
    assert DAY_SECONDS - 300 < times[-1] < DAY_SECONDS
    error = "Given up, since it was to be sent within 24 hours: busy"
    assert (row.state, row.last_error, row.error_class) == (OutboxState.DEAD, error, ErrorClass.EXPIRED)
    assert failed == (
        "message.failed",
        {
            "channel": "telegram",
            "accountId": "default",
            "chatId": "1",
            "messageId": row_id,
            "error": error,
            "errorClass": "expired",
            "possibleDuplicate": False,
        },
    )
    assert sent[0] == "message.sent"


async def test_the_platform_says_how_long_to_wait(storage: InlinePath, autojump_clock: MockClock) -> None:
    world = World(storage, Carrier(script={"hello": deque([Retry("flood", 17.5)])}))
    async with running(world):
        await world.settled(await world.send("hello"))
    assert world.carrier.times("hello") == [0, 17.5]


async def test_a_pause_of_an_account_is_one_of_all_its_chats_and_of_no_other_account(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage, Carrier(script={"flood": deque([Retry("flood", 30, whole_account=True)])}))
    async with running(world):
        await world.send("flood", chat="1")
        await wait_all_tasks_blocked()
        same = await world.send("same", chat="2")
        other = await world.send("other", chat="2", account="work")
        for row_id in (same, other):
            await world.settled(row_id)
    assert world.carrier.times("flood") == [0, 30]
    assert world.carrier.times("same") == [30]
    assert world.carrier.times("other") == [0]


async def test_messages_that_waited_for_their_place_heed_a_pause_that_came_meanwhile(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    script = {"flood": deque[Delivery | Exception]([Retry("flood", 30, whole_account=True)] * MAX_SENDS)}
    world = World(storage, Carrier(seconds=1, script=script))
    async with running(world):
        for number in range(MAX_SENDS):
            await world.send("flood", chat=str(number))
        late = await world.send("late", chat="late")
        await world.settled(late)
    assert min(world.carrier.times("late")) >= 31


async def test_what_cannot_be_sent_is_given_up_at_once(storage: InlinePath, autojump_clock: MockClock) -> None:
    world = World(storage, Carrier(script={"hello": deque([Failed("no such chat")])}))
    async with running(world), world.hub.subscribe() as events:
        row = await world.settled(await world.send("hello"))
        ((kind, told),) = await heard(events)
    assert (row.state, row.attempts, row.last_error) == (OutboxState.DEAD, 1, "no such chat")
    assert row.error_class is ErrorClass.PERMANENT
    assert (kind, told["error"], told["errorClass"]) == ("message.failed", "no such chat", "permanent")


async def test_a_message_for_an_unknown_channel_is_given_up_with_a_reason(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    async with running(World(storage)) as world:
        row = await world.settled(await world.send("hello", channel="pigeons"))
    assert (row.state, row.attempts) == (OutboxState.DEAD, 0)
    assert row.last_error == 'There is no channel "pigeons". Look at channels in the configuration.'
    assert row.error_class is ErrorClass.PERMANENT


async def test_a_message_that_may_have_been_sent_is_tried_once_more(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    script = {"once": deque([Unknown("broken")]), "twice": deque([Unknown("broken"), Unknown("broken again")])}
    world = World(storage, Carrier(script={text: deque(fates) for text, fates in script.items()}))
    async with running(world):
        once, twice = await world.send("once", chat="1"), await world.send("twice", chat="2")
        rows = [await world.settled(row_id) for row_id in (once, twice)]
    assert [(row.state, row.possible_duplicate, row.attempts) for row in rows] == [
        (OutboxState.SENT, True, 2),
        (OutboxState.DEAD, True, 2),
    ]
    assert rows[1].last_error == "It may have been sent already, and is not sent a third time: broken again"
    assert rows[1].error_class is ErrorClass.UNKNOWN


async def test_a_message_that_may_have_been_sent_and_whose_process_died_then_is_not_tried_a_third_time(
    disk: InlineEngine, autojump_clock: MockClock
) -> None:
    first = World(InlinePath(disk), Carrier(seconds=2, script={"hello": deque([Unknown("broken")])}))
    async with running(first):
        row_id = await first.send("hello")
        await trio.sleep(4)
        assert (await first.row(row_id)).state is OutboxState.INFLIGHT
    async with running(World(InlinePath(disk))) as second:
        row = await second.settled(row_id)
    assert (row.state, row.error_class) == (OutboxState.DEAD, ErrorClass.UNKNOWN)
    assert second.carrier.calls == []


async def test_where_nobody_sees_a_message_twice_it_is_not_marked(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    carrier = Carrier(is_idempotent=True, script={"hello": deque([Unknown("broken")] * 4)})
    async with running(World(storage, carrier)) as world, world.hub.subscribe() as events:
        row = await world.settled(await world.send("hello"))
        ((kind, told),) = await heard(events)
    assert (row.state, row.attempts, row.possible_duplicate) == (OutboxState.SENT, 5, False)
    assert (kind, told["possibleDuplicate"]) == ("message.sent", False)


async def test_a_possible_duplicate_is_told_when_it_is_sent(storage: InlinePath, autojump_clock: MockClock) -> None:
    carrier = Carrier(script={"hello": deque([Unknown("broken")])})
    async with running(World(storage, carrier)) as world, world.hub.subscribe() as events:
        await world.settled(await world.send("hello"))
        ((kind, told),) = await heard(events)
    assert (kind, told["possibleDuplicate"]) == ("message.sent", True)


async def test_a_channel_that_breaks_or_hangs_may_have_sent_it(storage: InlinePath, autojump_clock: MockClock) -> None:
    world = World(storage, Carrier(script={"hello": deque([ZeroDivisionError("by zero")])}))
    async with running(world):
        row = await world.settled(await world.send("hello"))
        assert (row.state, row.possible_duplicate) == (OutboxState.SENT, True)
        world.carrier.seconds = SEND_SECONDS + 1
        row = await world.settled(await world.send("slow"))
    assert (row.state, row.attempts) == (OutboxState.DEAD, 2)
    assert row.last_error is not None
    assert "The channel took longer than 120 s." in row.last_error


async def test_a_message_that_the_channel_cannot_split_is_given_up(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    async with running(World(storage)) as world:
        row = await world.settled(await world.send("unsplittable"))
        assert (row.state, row.attempts) == (OutboxState.DEAD, 1)
        assert (await world.settled(await world.send("next"))).state is OutboxState.SENT


async def test_a_retry_goes_on_with_the_part_that_was_not_sent(storage: InlinePath, autojump_clock: MockClock) -> None:
    world = World(storage, Carrier(script={"two": deque([Retry("busy")])}))
    async with running(world):
        row = await world.settled(await world.send("one|two|three"))
    assert [text for _, _, text in world.carrier.calls] == ["one", "two", "two", "three"]
    assert (row.parts_sent, row.platform_ids) == (3, ("1/one", "1/two", "1/three"))


async def test_a_dead_letter_that_is_retried_by_hand_is_sent(storage: InlinePath, autojump_clock: MockClock) -> None:
    world = World(storage, Carrier(script={"hello": deque([Failed("blocked"), Retry("busy")])}))
    async with running(world):
        row_id = await world.send("hello")
        assert not await world.outbox.retry_dead(row_id)
        await world.settled(row_id)
        assert await world.outbox.retry_dead(row_id)
        row = await world.settled(row_id)
        assert not await world.outbox.retry_dead("msg_unknown")
    assert (row.state, row.attempts) == (OutboxState.SENT, 2)


# ------------------------------------------------------- accounts left alone

DISABLED = Retry("it is disabled", 300, whole_account=True, until_changed=True)


async def test_what_waits_for_other_settings_goes_as_soon_as_they_change(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage, Carrier(script={"hello": deque([DISABLED])}))
    async with running(world):
        row_id = await world.send("hello")
        await wait_all_tasks_blocked()
        other = await world.send("other", chat="2")
        await trio.sleep(17)
        waiting = await world.row(row_id)
        assert (waiting.state, waiting.last_error) == (OutboxState.PENDING, "it is disabled")
        assert world.outbox.waits_for(waiting) == "it is disabled"
        world.outbox.refresh("weixin")
        await wait_all_tasks_blocked()
        assert len(world.carrier.calls) == 1
        world.outbox.refresh("telegram")
        for each in (row_id, other):
            await world.settled(each)
        assert world.outbox.waits_for(waiting) is None
    assert world.carrier.times("hello") == [0, 17]
    assert world.carrier.times("other") == [17]


async def test_what_waits_for_other_settings_is_tried_now_and_then_and_not_for_longer_than_its_time(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage, Carrier(script={"hello": deque([DISABLED] * 100)}), ttl_seconds=1000)
    async with running(world):
        row = await world.settled(await world.send("hello"))
        assert 1000 <= trio.current_time() < 1001
    assert world.carrier.times("hello") == [0, 300, 600, 900]
    assert (row.state, row.error_class) == (OutboxState.DEAD, ErrorClass.EXPIRED)
    assert row.last_error is not None
    assert row.last_error.endswith("The last error: it is disabled")


async def test_what_waits_for_other_settings_is_tried_at_once_by_the_next_process(
    disk: InlineEngine, autojump_clock: MockClock
) -> None:
    first = World(InlinePath(disk), Carrier(script={"hello": deque([DISABLED])}))
    async with running(first):
        row_id = await first.send("hello")
        await trio.sleep(5)
    async with running(World(InlinePath(disk))) as second:
        await second.settled(row_id)
    assert second.carrier.times("hello") == [5]


async def test_a_pause_that_the_platform_asked_for_is_kept_by_the_next_process(
    disk: InlineEngine, autojump_clock: MockClock
) -> None:
    first = World(InlinePath(disk), Carrier(script={"hello": deque([Retry("flood", 3000, whole_account=True)])}))
    async with running(first):
        await first.send("hello")
        await wait_all_tasks_blocked()
        await first.send("other", chat="2")
        await trio.sleep(5)
    async with running(World(InlinePath(disk))) as second:
        second.outbox.refresh("telegram")
        second.outbox.refresh("telegram", "default")
        late = await second.send("late", chat="3")
        row = await second.settled(late, look_seconds=10)
        assert row.state is OutboxState.SENT
        await wait_all_tasks_blocked()
    assert {(at, text) for at, _, text in second.carrier.calls} == {(3000, "hello"), (3000, "other"), (3000, "late")}


async def test_an_account_that_connects_has_its_messages_tried_but_not_those_that_the_platform_holds_up(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    script: dict[str, deque[Delivery | Exception]] = {
        "network": deque([Retry("no network")] * 9),
        "flood": deque([Retry("flood", 400)]),
    }
    world = World(storage, Carrier(script=script))
    async with running(world):
        network, flood = await world.send("network", chat="1"), await world.send("flood", chat="2")
        await trio.sleep(300)
        world.outbox.refresh("telegram", "work")
        await wait_all_tasks_blocked()
        assert world.carrier.times("network") == [0, 1, 3, 7, 15, 31, 63, 127, 255]
        world.outbox.refresh("telegram", "default")
        assert (await world.settled(network)).state is OutboxState.SENT
        assert (await world.settled(flood)).state is OutboxState.SENT
    assert world.carrier.times("network")[-1] == 300
    assert world.carrier.times("flood") == [0, 400]


async def test_a_pause_of_one_chat_is_not_cut_short_by_the_next_process_either(
    disk: InlineEngine, autojump_clock: MockClock
) -> None:
    first = World(InlinePath(disk), Carrier(script={"hello": deque([Retry("flood", 400)])}))
    async with running(first):
        row_id = await first.send("hello")
        await trio.sleep(5)
    async with running(World(InlinePath(disk))) as second:
        await wait_all_tasks_blocked()
        second.outbox.refresh("telegram", "default")
        await second.settled(row_id)
    assert second.carrier.times("hello") == [400]


# -------------------------------------------------------------------- limits


async def test_messages_and_parts_go_no_faster_than_the_platform_lets_through(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage, Carrier(limited=[Limit(at_once=2, seconds=10, per_chat=True)]))
    async with running(world):
        first, second = await world.send("one|two|three|four"), await world.send("five")
        other = await world.send("elsewhere", chat="2")
        for row_id in (first, second, other):
            await world.settled(row_id)
        row = await world.row(first)
    assert [at for at, _, _ in world.carrier.calls] == [0, 0, 0, 10, 20, 30]
    assert [text for _, text in world.carrier.sent if text != "elsewhere"] == ["one", "two", "three", "four", "five"]
    assert (row.attempts, row.possible_duplicate) == (1, False)


async def test_the_chats_of_an_account_share_its_limit_and_wait_in_line(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage, Carrier(limited=[Limit(at_once=1, seconds=3)]))
    async with running(world):
        rows = [await world.send("hello", chat=str(number)) for number in range(5)]
        other = await world.send("hello", chat="0", account="work")
        for row_id in (*rows, other):
            await world.settled(row_id)
    assert sorted(at for at, _, _ in world.carrier.calls) == [0, 0, 3, 6, 9, 12]


async def test_a_message_that_waits_for_a_limit_holds_up_no_other_channel_and_may_be_taken_back(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    world = World(storage, Carrier(limited=[Limit(at_once=1, seconds=1000, per_chat=True)]))
    async with running(world):
        for number in range(MAX_SENDS + 1):
            await world.send("first|second", chat=str(number))
        await trio.sleep(1)
        waiting = await world.storage.outbox_lanes("", 99)
        assert len(waiting) == MAX_SENDS + 1
        head = await world.storage.outbox_head(waiting[0].lane)
        assert head is not None
        assert (head.state, head.parts_sent, head.attempts) == (OutboxState.PENDING, 1, 0)
