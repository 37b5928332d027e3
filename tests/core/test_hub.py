from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from xopc.contracts.events import Event
from xopc.core.hub import AGENT_STREAM, MAX_KEPT, MAX_QUEUE, Hub

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
    assert hub.id_of(event) == f"{BOOT}-1"


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
    assert (resync.type, hub.id_of(resync)) == ("resync", f"{BOOT}-1")
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


async def test_merged_tokens_keep_a_reset_and_what_they_were_made_of_stays_as_it_was() -> None:
    hub = Hub(BOOT)
    first, again, more = token("wrong"), token("right", reset=True), token("!")
    async with hub.subscribe() as subscription:
        for data in (first, again, more, *(token("!") for _ in range(MAX_QUEUE - 2))):
            hub.publish(AGENT_STREAM, data)
        merged, *rest = await subscription.receive()
    assert merged.data == token("right" + "!" * (MAX_QUEUE - 2), reset=True)
    assert len(rest) == 1
    assert (first, again, more) == (token("wrong"), token("right", reset=True), token("!"))


async def test_a_stream_of_unexpected_shape_is_left_as_it_is() -> None:
    hub = Hub(BOOT)
    async with hub.subscribe() as subscription:
        hub.publish(AGENT_STREAM, {"runId": "r1", "event": "odd"})
        for _ in range(MAX_QUEUE):
            hub.publish(AGENT_STREAM, token("x"))
        odd, merged, *_ = await subscription.receive()
    assert odd.data["event"] == "odd"
    assert merged.data == token("x" * (MAX_QUEUE - 1))


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
    async with hub.subscribe(last_id=hub.id_of(last)) as subscription:
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
