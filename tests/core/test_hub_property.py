"""Whatever is published, and however its readers dawdle, break off and come back: what they have is what happened."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any

import trio
from attrs import define, field
from hypothesis import HealthCheck, given, settings, strategies as st
from trio.testing import MockClock

from xopc.contracts.events import CLOSED, Event
from xopc.core.hub import AGENT_STREAM, MAX_KEPT, MAX_QUEUE, RESYNC, SHUTDOWN, Hub, Subscription

RUNS = ("r1", "r2")
READERS = 3
COUNTS = st.sampled_from([1, 2, 300, 600])
OPERATIONS = st.one_of(
    st.tuples(st.just("say"), st.sampled_from(RUNS), COUNTS, st.booleans()),
    st.tuples(st.just("say"), st.sampled_from(RUNS), COUNTS, st.booleans()),
    st.tuples(st.just("tell"), COUNTS),
    st.tuples(st.just("finish"), st.sampled_from(RUNS)),
    st.tuples(st.just("read"), st.integers(0, READERS - 1)),
    st.tuples(st.just("break off"), st.integers(0, READERS - 1)),
    st.just(("part",)),
)


@define
class World:
    """The hub, and all that ever happened in it."""

    hub: Hub = field(factory=lambda: Hub("boot"))
    past: list[Event] = field(factory=list[Event])
    words: int = 0

    def publish(self, kind: str, data: dict[str, Any]) -> None:
        self.hub.publish(kind, data)
        self.past.append(Event(kind, data, len(self.past) + 1))

    def of_run(self, run_id: str, event: dict[str, Any]) -> None:
        self.publish(AGENT_STREAM, {"sessionKey": "k", "runId": run_id, "event": event})

    def say(self, run_id: str, count: int, *, again: bool) -> None:
        for number in range(count):
            self.words += 1
            reset = {"reset": True} if again and number == 0 else {}
            self.of_run(run_id, {"type": "token", "content": f"{self.words} ", **reset})


@define
class Reader:
    """A client: it comes back with the id of the last event that it has, and believes what it is told."""

    world: World
    since: int = 0
    """What happened before this does not concern it: it had not come yet, or was told `resync`."""
    here_since: int = 0
    """When its stream began: of runs it knows only what was said since."""
    last_id: str | None = None
    got: list[Event] = field(factory=list[Event])
    """Of this stream."""
    told: list[int] = field(factory=list[int])
    """The numbers of the lifecycle events that it has had since `since`."""
    subscription: Subscription | None = None
    stack: AsyncExitStack = field(factory=AsyncExitStack)

    async def come(self) -> None:
        self.subscription = await self.stack.enter_async_context(self.world.hub.subscribe(last_id=self.last_id))
        self.here_since = len(self.world.past)
        if self.last_id is None:
            self.since = self.here_since
        self.got = []

    async def leave(self) -> None:
        await self.stack.aclose()
        self.stack, self.subscription = AsyncExitStack(), None

    async def read(self) -> None:
        """All that waits for it; then what it has is what happened."""
        if self.subscription is None:
            await self.come()
        assert self.subscription is not None
        events: list[Event] = []
        with trio.move_on_after(1):
            events = await self.subscription.receive()
        assert len(events) <= MAX_KEPT + MAX_QUEUE + 1
        for event in events:
            self.take(event)
        if self.subscription.closed_because is not None:
            await self.leave()
            return
        assert self.told == [event.seq for event in self.world.past[self.since :] if event.type != AGENT_STREAM]
        here = self.world.past[self.here_since :]
        assert shown(self.got) == shown(here)
        assert all(before.seq < after.seq for before, after in pairwise(self.got))

    def take(self, event: Event) -> None:
        if event.type == CLOSED:
            return
        self.last_id = event.id
        if event.type == RESYNC:
            self.since, self.told = event.seq, []
        elif event.type != SHUTDOWN:
            self.got.append(event)
            if event.type != AGENT_STREAM:
                self.told.append(event.seq)


def shown(events: Iterable[Event]) -> dict[str, list[str]]:
    """What a client shows of each run: its texts, with the ends of its messages between them."""
    runs: dict[str, list[str]] = {}
    for event in events:
        if event.type != AGENT_STREAM:
            continue
        parts = runs.setdefault(event.data["runId"], [""])
        said = event.data["event"]
        if said["type"] == "message_end":
            parts += ["end", ""]
        else:
            parts[-1] = said["content"] if said.get("reset") else parts[-1] + said["content"]
    return runs


async def live(operations: list[Any], *, is_paced: bool) -> None:
    world = World()
    readers = [Reader(world) for _ in range(READERS)]
    async with trio.open_nursery() as nursery:
        if is_paced:
            await nursery.start(world.hub.run)
        for reader in readers:
            await reader.come()
        for operation in operations:
            match operation:
                case ("tell", count):
                    for _ in range(count):
                        world.publish("session.updated", {"key": "k"})
                case ("say", run_id, count, again):
                    world.say(run_id, count, again=again)
                case ("finish", run_id):
                    world.of_run(run_id, {"type": "message_end"})
                case ("read", int(number)):
                    await readers[number].read()
                case ("break off", int(number)):
                    await readers[number].leave()
                case _:
                    world.hub.close("restarting")
        for reader in readers:
            await reader.read()
            await reader.read()  # again, where the first was told that its stream ends
            await reader.leave()
        assert not world.hub.is_heard
        nursery.cancel_scope.cancel()


@given(st.lists(OPERATIONS, min_size=5, max_size=40), st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_event_is_lost_unless_it_is_said_and_texts_are_whole_and_in_order(
    operations: list[Any], is_paced: bool
) -> None:
    async def main() -> None:
        await live(operations, is_paced=is_paced)

    trio.run(main, clock=MockClock(autojump_threshold=0))
