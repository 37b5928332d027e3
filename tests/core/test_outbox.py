from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.path_storage import EPOCH, InlineEngine, InlinePath, nothing, stored_now
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.messages import Address, Delivery, Failed, Outbound, OutboxRow, OutboxState, Retry, Sent, Unknown
from xopc.core.hub import Hub, Subscription
from xopc.core.outbox import MAX_SENDS, SEND_SECONDS, Outbox
from xopc.core.retry import LONGEST_PAUSE_SECONDS, MAX_AGE_SECONDS, MAX_SUSPECT_ATTEMPTS
from xopc.storage.path_outbox import Attempt, lane_of

HOUR = 3600.0


@define(eq=False)
class Carrier:
    """A channel that notes what it is to send, and when; parts are separated by `|`."""

    script: dict[str, deque[Delivery | Exception]] = field(factory=dict[str, deque[Delivery | Exception]])
    """How the next sends of a text end; after that, or without any, it is sent."""
    seconds: float = 0.0
    """How long a send takes."""
    calls: list[tuple[float, str, str]] = field(factory=list[tuple[float, str, str]])
    """Trio's time, the chat and the text."""
    sent: list[tuple[str, str]] = field(factory=list[tuple[str, str]])
    at_once: Counter[str] = field(factory=Counter[str])
    most_at_once: int = 0

    def split(self, outbound: Outbound) -> tuple[str, ...]:
        if outbound.text == "unsplittable":
            raise ZeroDivisionError
        return tuple(outbound.text.split("|"))

    async def send(self, outbound: Outbound, text: str, *, part: int) -> Delivery:
        assert self.split(outbound)[part] == text
        chat = outbound.address.chat
        self.calls.append((trio.current_time(), chat, text))
        self.at_once[chat] += 1
        assert self.at_once[chat] == 1
        self.most_at_once = max(self.most_at_once, self.at_once.total())
        try:
            await trio.sleep(self.seconds)
        finally:
            self.at_once[chat] -= 1
        fate = self.script[text].popleft() if self.script.get(text) else Sent(f"{chat}/{text}")
        if isinstance(fate, Exception):
            raise fate
        if isinstance(fate, Sent):
            self.sent.append((chat, text))
        return fate

    def times(self, text: str) -> list[float]:
        return [at for at, _, sent in self.calls if sent == text]


@define(eq=False)
class Wall:
    """A clock that may be set."""

    ahead: float = 0.0

    def now(self) -> float:
        return stored_now() + self.ahead


@pytest.fixture
def wall() -> Wall:
    return Wall()


@define(eq=False)
class World:
    """The outbox of one generation."""

    storage: InlinePath
    carrier: Carrier = field(factory=Carrier)
    wall: Wall = field(factory=Wall, kw_only=True)
    hub: Hub = field(factory=lambda: Hub("boot-1"))
    outbox: Outbox = field(init=False)

    def __attrs_post_init__(self) -> None:
        channels = {"telegram": self.carrier}
        self.outbox = Outbox(self.storage, channels, self.hub, clock=self.wall.now, jitter=lambda: 0)

    async def send(self, text: str, chat: str = "1", account: str = "default", channel: str = "telegram") -> str:
        row_id, _ = await self.outbox.enqueue(Outbound(Address(channel, account, chat), text))
        return row_id

    async def row(self, row_id: str) -> OutboxRow:
        row = await self.storage.outbox_row(row_id)
        assert row is not None
        return row

    async def settled(self, row_id: str, look_seconds: float = 0.25) -> OutboxRow:
        """The row when it is sent or dead."""
        while True:
            row = await self.row(row_id)
            if row.state in (OutboxState.SENT, OutboxState.DEAD):
                return row
            await trio.sleep(look_seconds)


@asynccontextmanager
async def running(world: World) -> AsyncGenerator[World]:
    async with trio.open_nursery() as nursery:
        await nursery.start(world.outbox.run)
        yield world
        nursery.cancel_scope.cancel()


async def heard(subscription: Subscription) -> list[tuple[str, dict[str, object]]]:
    return [(event.type, event.data) for event in await subscription.receive()]


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


def lanes() -> list[str]:
    """The tasks of lanes that there are."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    tasks, names = [root], list[str]()
    while tasks:
        task = tasks.pop()
        names.append(task.name)
        tasks += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return sorted(name for name in names if name.startswith("lane "))


async def test_a_message_that_comes_as_its_lane_ends_is_sent(storage: InlinePath) -> None:
    async with running(World(storage)) as world:
        for number in range(50):
            row_id = await world.send(str(number))
            while (await world.row(row_id)).state is not OutboxState.SENT:
                await trio.lowlevel.checkpoint()
    assert [text for _, text in world.carrier.sent] == [str(number) for number in range(50)]


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
    assert MAX_AGE_SECONDS - 300 < times[-1] <= MAX_AGE_SECONDS
    assert (row.state, row.last_error) == (OutboxState.DEAD, "Given up 24 hours after it was accepted: busy")
    assert failed == (
        "message.failed",
        {
            "channel": "telegram",
            "accountId": "default",
            "chatId": "1",
            "messageId": row_id,
            "error": "Given up 24 hours after it was accepted: busy",
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
    async with running(world):
        row = await world.settled(await world.send("hello"))
    assert (row.state, row.attempts, row.last_error) == (OutboxState.DEAD, 1, "no such chat")


async def test_a_message_for_an_unknown_channel_is_given_up_with_a_reason(
    storage: InlinePath, autojump_clock: MockClock
) -> None:
    async with running(World(storage)) as world:
        row = await world.settled(await world.send("hello", channel="pigeons"))
    assert (row.state, row.attempts) == (OutboxState.DEAD, 0)
    assert row.last_error == (
        'There is no channel "pigeons", or it is disabled. Look at channels in the configuration.'
    )


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


async def test_a_message_at_which_each_process_died_is_given_up(disk: InlineEngine, autojump_clock: MockClock) -> None:
    world = World(InlinePath(disk))
    row_id = await world.send("poison")
    for _ in range(MAX_SUSPECT_ATTEMPTS):
        await world.storage.begin_attempt(row_id)
        await world.storage.recover_outbox()
    async with running(world):
        row = await world.settled(row_id)
    assert (row.state, row.last_error) == (OutboxState.DEAD, "Given up after 8 attempts.")
    assert world.carrier.calls == []


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
    assert (await storage.outbox_heads())[0].state is OutboxState.PENDING


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
    assert second.carrier.times("hello") == [0.5 + LONGEST_PAUSE_SECONDS]


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
    await storage.settle(row_id, Attempt(OutboxState.PENDING, next_attempt_at=EPOCH + 50))
    async with running(world):
        await world.settled(row_id)
    assert world.carrier.times("hello") == [50]
    assert await storage.outbox_head(lane_of("telegram", "default", "1")) is None
