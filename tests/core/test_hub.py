from __future__ import annotations

import itertools
from contextlib import AsyncExitStack
from typing import Any

import pytest
import trio
import trio.testing

from xopc.contracts.events import Event
from xopc.core.hub import AGENT_STREAM, GROUP, MAX_KEPT, MAX_QUEUE, SECONDS_PER_SUBSCRIBER, Hub, Subscription

BOOT = "0d6f-boot"


def token(content: str, run_id: str = "r1", **more: object) -> dict[str, Any]:
    return {"sessionKey": "a:b:c:d:e", "runId": run_id, "event": {"type": "token", "content": content, **more}}


def seqs(events: list[Event]) -> list[int]:
    return [event.seq for event in events]


async def test_each_subscriber_gets_each_event_in_order_with_its_number() -> None:
    hub = Hub(BOOT)
    hub.publish("session.updated", {"key": "before"})
    async with hub.subscribe() as one, hub.subscribe() as two:
        hub.publish("session.updated", {"key": "k"})
        hub.publish(AGENT_STREAM, token("Hi"))
        for subscription in (one, two):
            assert await subscription.receive() == [
                Event("session.updated", {"key": "k"}, 2),
                Event(AGENT_STREAM, token("Hi"), 3),
            ]


async def test_a_subscriber_waits_for_events_and_loses_none_when_he_is_cancelled() -> None:
    hub = Hub(BOOT)
    async with hub.subscribe() as subscription, trio.open_nursery() as nursery:
        got: list[Event] = []

        async def listen() -> None:
            got.append(await anext(subscription))
            got.append(await anext(subscription))

        with trio.CancelScope() as scope:
            scope.cancel()
            await subscription.receive()
        nursery.start_soon(listen)
        await trio.testing.wait_all_tasks_blocked()
        hub.publish("a", {})
        hub.publish("b", {})
        await trio.testing.wait_all_tasks_blocked()
        assert seqs(got) == [1, 2]


async def test_a_subscriber_gets_the_types_that_he_wants_alone() -> None:
    hub = Hub(BOOT)
    async with hub.subscribe(types=["message.sent"]) as subscription:
        hub.publish("session.updated", {})
        hub.publish("message.sent", {})
        hub.close("restart")
        assert [event.type async for event in subscription] == ["message.sent", "shutdown"]


async def test_whether_anybody_listens_is_known() -> None:
    hub = Hub(BOOT)
    assert not hub.is_heard
    async with hub.subscribe():
        assert hub.is_heard
    assert not hub.is_heard


# -------------------------------------------------------------------- replay


async def test_who_comes_back_gets_what_he_missed_and_then_what_comes() -> None:
    hub = Hub(BOOT)
    for _ in range(3):
        hub.publish("session.updated", {})
    hub.publish(AGENT_STREAM, token("not kept"))
    async with hub.subscribe(last_id=f"{BOOT}-1") as subscription:
        hub.publish("message.sent", {})
        assert seqs(await subscription.receive()) == [2, 3, 5]


async def test_an_id_can_be_had_of_each_event() -> None:
    hub = Hub(BOOT)
    hub.publish("session.updated", {})
    async with hub.subscribe(last_id=f"{BOOT}-0") as subscription:
        (event,) = await subscription.receive()
    assert event.id == f"{BOOT}-1"


async def test_who_missed_nothing_gets_nothing_old() -> None:
    hub = Hub(BOOT)
    hub.publish("session.updated", {})
    async with hub.subscribe(last_id=f" {BOOT}-1 ") as subscription:
        hub.publish("message.sent", {})
        assert seqs(await subscription.receive()) == [2]


@pytest.mark.parametrize(
    "last_id",
    ["other-boot-1", f"{BOOT}-2", f"{BOOT}-", f"{BOOT}--1", f"{BOOT}-x", f"{BOOT}-²", "1", "", f"{BOOT}-{'9' * 5000}"],
)
async def test_a_foreign_id_gets_resync_and_then_what_comes(last_id: str) -> None:
    hub = Hub(BOOT)
    hub.publish("session.updated", {})
    async with hub.subscribe(last_id=last_id, types=["message.sent"]) as subscription:
        hub.publish("message.sent", {})
        resync, fresh = await subscription.receive()
    assert (resync.type, resync.id) == ("resync", f"{BOOT}-1")
    assert fresh.seq == 2


async def test_an_id_from_before_the_ring_gets_resync_and_the_oldest_in_it_does_not() -> None:
    hub = Hub(BOOT)
    for _ in range(MAX_KEPT + 2):
        hub.publish("session.updated", {})
    async with hub.subscribe(last_id=f"{BOOT}-1") as subscription:
        assert [event.type for event in await subscription.receive()] == ["resync"]
    async with hub.subscribe(last_id=f"{BOOT}-2") as subscription:
        assert seqs(await subscription.receive()) == list(range(3, MAX_KEPT + 3))


async def test_tokens_push_nothing_out_of_the_ring() -> None:
    hub = Hub(BOOT)
    hub.publish("session.updated", {"key": "k"})
    for _ in range(MAX_KEPT * 2):
        hub.publish(AGENT_STREAM, token("x"))
    async with hub.subscribe(last_id=f"{BOOT}-0") as subscription:
        assert seqs(await subscription.receive()) == [1]


async def test_a_whole_ring_to_catch_up_with_leaves_room_for_what_comes() -> None:
    hub = Hub(BOOT)
    for _ in range(MAX_KEPT):
        hub.publish("session.updated", {})
    async with hub.subscribe(last_id=f"{BOOT}-0") as subscription:
        for _ in range(MAX_QUEUE):
            hub.publish("session.updated", {})
        assert len(await subscription.receive()) == MAX_KEPT + MAX_QUEUE


# ------------------------------------------------------------- slow and gone


async def test_a_subscriber_who_does_not_read_is_closed_and_the_others_go_on() -> None:
    hub = Hub(BOOT)
    async with hub.subscribe() as slow, hub.subscribe() as quick:
        for _ in range(MAX_QUEUE + 1):
            hub.publish("session.updated", {})
            await quick.receive()
        assert slow.closed_because == "too slow: events are read slower than they happen"
        (farewell,) = await slow.receive()
        assert (farewell.type, farewell.data) == ("closed", {"reason": slow.closed_because})
        assert await slow.receive() == []
        hub.publish("session.updated", {})
        assert len(await quick.receive()) == 1
        assert quick.closed_because is None


async def test_a_slow_subscriber_has_the_tokens_of_each_run_merged_first() -> None:
    hub = Hub(BOOT)
    stop = {"sessionKey": "a:b:c:d:e", "runId": "r1", "event": {"type": "message_end"}}
    async with hub.subscribe() as subscription:
        for number in range(MAX_QUEUE):
            hub.publish(AGENT_STREAM, token(str(number % 10), run_id="r1" if number % 2 else "r2"))
        hub.publish("session.updated", {})
        hub.publish(AGENT_STREAM, stop)
        for number in range(MAX_QUEUE):
            hub.publish(AGENT_STREAM, token(str(number % 10)))
        events = await subscription.receive()
        assert subscription.closed_because is None
    streams = [event.data for event in events if event.type == AGENT_STREAM]
    assert streams[0] == token("02468" * (MAX_QUEUE // 10), run_id="r2")
    assert streams[1] == token("13579" * (MAX_QUEUE // 10))
    assert streams[2] == stop
    assert "".join(stream["event"]["content"] for stream in streams[3:]) == "0123456789" * (MAX_QUEUE // 10)
    assert seqs(events) == sorted(seqs(events))


async def test_close_is_the_last_that_subscribers_hear_and_later_ones_are_served() -> None:
    hub = Hub(BOOT)
    hub.publish("session.updated", {})
    async with hub.subscribe() as subscription:
        hub.publish("message.sent", {})
        hub.close("restart", 500)
        hub.publish("message.sent", {})
        last = Event("shutdown", {"reason": "restart", "restartExpectedMs": 500}, 2)
        assert [event async for event in subscription] == [Event("message.sent", {}, 2), last]
        assert subscription.closed_because == "restart"
    async with hub.subscribe(last_id=f"{BOOT}-{last.seq}") as subscription:
        assert seqs(await subscription.receive()) == [3]


async def test_whoever_comes_when_all_is_over_is_told_so_at_once() -> None:
    hub = Hub("boot")
    hub.close("restarting", 1500, for_good=True)
    async with hub.subscribe() as late:
        (event,) = await late.receive()
        assert (event.type, event.data["reason"]) == ("shutdown", "restarting")
        assert await late.receive() == []


async def test_whoever_comes_after_a_restart_in_the_process_hears_what_follows() -> None:
    hub = Hub("boot")
    hub.close("restarting", 1500)
    async with hub.subscribe() as late:
        hub.publish("channels.status", {})
        (event,) = await late.receive()
        assert event.type == "channels.status"


async def test_whoever_is_parted_from_hears_it_however_much_waits_for_him() -> None:
    hub = Hub(BOOT)
    async with hub.subscribe() as behind:
        for _ in range(MAX_QUEUE):
            hub.publish("session.updated", {})
        hub.close("restart")
        events = await behind.receive()
    assert (len(events), events[-1].type, behind.closed_because) == (MAX_QUEUE + 1, "shutdown", "restart")


# ---------------------------------------------------------------------- pace


async def paced(times: list[float], subscribers: int) -> list[list[tuple[float, list[int]]]]:
    """What each of so many subscribers got of events at these times, and when: of a hub with its task."""
    hub, got = Hub(BOOT), [list[tuple[float, list[int]]]() for _ in range(subscribers)]

    async def read(subscription: Subscription, batches: list[tuple[float, list[int]]]) -> None:
        while events := await subscription.receive():
            batches.append((trio.current_time() - began, seqs(events)))

    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
        await nursery.start(hub.run)
        for batches in got:
            nursery.start_soon(read, await stack.enter_async_context(hub.subscribe()), batches)
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        for at in times:
            await trio.sleep_until(began + at)
            hub.publish("session.updated", {})
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    return got


async def test_the_first_event_after_a_silence_reaches_all_at_once(autojump_clock: trio.testing.MockClock) -> None:
    for batches in await paced([0, 30], subscribers=3 * GROUP):
        assert batches == [(pytest.approx(0), [1]), (pytest.approx(30), [2])]


async def test_many_subscribers_of_many_events_get_several_at_once(autojump_clock: trio.testing.MockClock) -> None:
    subscribers = 20 * GROUP
    for batches in await paced([number / 100 for number in range(100)], subscribers):
        assert [seq for _, batch in batches for seq in batch] == list(range(1, 101))
        assert len(batches) < 15
        pauses = [after - before for (before, _), (after, _) in itertools.pairwise(batches)]
        assert max(pauses) < 2.5 * subscribers * SECONDS_PER_SUBSCRIBER


async def test_a_single_subscriber_gets_each_event_when_it_happens(autojump_clock: trio.testing.MockClock) -> None:
    (batches,) = await paced([number / 100 for number in range(100)], subscribers=1)
    assert batches == [(pytest.approx(number / 100), [number + 1]) for number in range(100)]


async def test_the_end_of_a_paced_hub_s_task_leaves_nobody_waiting(autojump_clock: trio.testing.MockClock) -> None:
    hub = Hub(BOOT)
    got: list[Event] = []
    async with hub.subscribe() as subscription, trio.open_nursery() as nursery:

        async def listen() -> None:
            got.extend(await subscription.receive())

        with trio.CancelScope() as pacing:
            async with trio.open_nursery() as of_hub:
                await of_hub.start(hub.run)
                nursery.start_soon(listen)
                await trio.testing.wait_all_tasks_blocked()
                hub.publish("a", {})
                pacing.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert seqs(got) == [1]
        hub.publish("b", {})
        assert seqs(await subscription.receive()) == [2]


async def test_whoever_counts_hears_each_event_but_tokens() -> None:
    told: list[str] = []
    hub = Hub(BOOT, lambda kind, _data: told.append(kind))
    async with hub.subscribe() as subscription:
        assert hub.subscribers == 1
        hub.publish("session.updated", {"key": "k"})
        hub.publish(AGENT_STREAM, token("Hi"))
        assert (told, hub.published, hub.dropped) == (["session.updated"], 2, 0)
        for number in range(MAX_QUEUE):
            hub.publish("session.updated", {"key": str(number)})
        assert subscription.closed_because is not None
        assert (hub.dropped, hub.subscribers) == (1, 0)
