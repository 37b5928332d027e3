"""The broadcast hub: every event of the gateway, to whoever wants to know, in one order.

The newest lifecycle events are kept, for subscribers that come back. `agent.stream` is not among them: tokens would
push out all else, and whoever wants to know a run whole follows it by its id (`sessions/runs.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager
from itertools import islice

import structlog
import trio
from structlog.typing import FilteringBoundLogger

from xopc.contracts.convert import JsonObject
from xopc.contracts.events import CLOSED, Event
from xopc.core.merging import AGENT_STREAM, merged

RESYNC = "resync"
SHUTDOWN = "shutdown"

MAX_KEPT = 1000
"""Lifecycle events, for replay."""
MAX_QUEUE = 1000
"""Events that wait for one subscriber, beside those that he comes back for."""
RELIEVED_QUEUE = MAX_QUEUE * 3 // 4
"""What the merging of tokens must bring a full queue down to; it would begin again at once, otherwise."""

GROUP = 50
"""So many subscribers go on together; then others have their turn."""
SECONDS_PER_SUBSCRIBER = 0.0001
"""Of rest, after each that was woken: some four times of what waking it takes, with its write. So 1000 subscribers
of a busy gateway get a write every tenth of a second, and a single one gets each event when it happens."""

TOO_SLOW = "too slow: events are read slower than they happen"

_log: FilteringBoundLogger = structlog.get_logger("xopc.events")


class Hub:
    """One for the life of a process. Not for several threads."""

    def __init__(self, boot_id: str, observe: Callable[[str, JsonObject], None] = lambda _type, _data: None) -> None:
        """`observe` is told each event but `agent.stream`, before the subscribers are."""
        self._boot_id = boot_id
        self._observe = observe
        self.dropped = 0
        """How many subscribers were too slow."""
        self._seq = 0
        self._kept: deque[Event] = deque()
        self._forgotten = 0
        self._last: Event | None = None
        """Once it is closed for good: all that there is to hear."""
        self._subscriptions: dict[Subscription, None] = {}
        self._is_paced = False
        self._has_news = False
        self._news = trio.lowlevel.ParkingLot()

    @property
    def subscribers(self) -> int:
        """How many listen."""
        return len(self._subscriptions)

    @property
    def published(self) -> int:
        """How many events there were."""
        return self._seq

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens; if not, an `agent.stream` need not be published."""
        return bool(self._subscriptions)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Wake subscribers so that all of them together cost a part of one core at most, until cancelled: where events
        come faster than that, each of them gets several at once. The first after a silence is not delayed.

        Without it they are woken by each event.
        """
        self._is_paced = True
        task_status.started()
        try:
            while True:
                was_quiet = not self._has_news
                while not self._has_news:
                    await self._news.park()
                self._has_news = False
                await self._tell(at_once=was_quiet)
        finally:
            self._is_paced = False
            for subscription in self._subscriptions:
                subscription.wake()

    async def _tell(self, *, at_once: bool) -> None:
        subscriptions = iter(tuple(self._subscriptions))
        rest = 0.0
        while group := tuple(islice(subscriptions, GROUP)):
            rest += SECONDS_PER_SUBSCRIBER * sum(subscription.wake() for subscription in group)
            if at_once:
                await trio.lowlevel.checkpoint()
            else:
                await trio.sleep(rest)
                rest = 0.0
        await trio.sleep(rest)

    def publish(self, type: str, data: JsonObject) -> None:  # noqa: A002  the word of the protocol
        """Tell all subscribers. `data` is JSON, and not changed afterwards."""
        self._seq += 1
        event = self._event(type, data)
        if type != AGENT_STREAM:
            self._observe(type, data)
            if len(self._kept) == MAX_KEPT:
                self._forgotten = self._kept.popleft().seq
            self._kept.append(event)
        too_slow = [subscription for subscription in self._subscriptions if not subscription.put(event)]
        for subscription in too_slow:
            del self._subscriptions[subscription]
            self.dropped += 1
            subscription.end(TOO_SLOW, self._event(CLOSED, {"reason": TOO_SLOW}))
            _log.warn("A subscriber of the events is too slow and is closed.", waiting=MAX_QUEUE)
        if not self._is_paced:
            for subscription in self._subscriptions:
                subscription.wake()
        elif not self._has_news:
            self._has_news = True
            self._news.unpark()

    @asynccontextmanager
    async def subscribe(
        self, *, types: Collection[str] | None = None, last_id: str | None = None
    ) -> AsyncGenerator[Subscription]:
        """The events from now on, of these types or of all; with `last_id`, also those that came after it.

        Where some of those are no longer there, or the id is not of this boot, the first event is `resync`, and what
        follows is new.
        """
        missed = [] if last_id is None else self._missed(last_id)
        wanted = None if types is None else frozenset(types) | {RESYNC, SHUTDOWN}
        subscription = Subscription(wanted, missed)
        self._subscriptions[subscription] = None
        if self._last is not None:
            subscription.end("the gateway ends", self._last)
        try:
            yield subscription
        finally:
            self._subscriptions.pop(subscription, None)

    def close(self, reason: str, restart_expected_ms: int | None = None, *, for_good: bool = False) -> None:
        """Tell those who listen now that it is over, with `shutdown` as their last event.

        For good, whoever comes later is told the same at once: he must not hold up the end of the process.
        """
        event = self._event(SHUTDOWN, {"reason": reason, "restartExpectedMs": restart_expected_ms})
        self._last = event if for_good else None
        for subscription in self._subscriptions:
            subscription.end(reason, event)
        self._subscriptions.clear()

    def _missed(self, last_id: str) -> list[Event]:
        boot_id, _, number = last_id.strip().rpartition("-")
        seq = int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else -1
        if boot_id != self._boot_id or not 0 <= seq <= self._seq:
            return [self._event(RESYNC, {"reason": "the id is not of this run of the gateway"})]
        if seq < self._forgotten:
            return [self._event(RESYNC, {"reason": f"there were more than {MAX_KEPT} events since"})]
        return [event for event in self._kept if event.seq > seq]

    def _event(self, kind: str, data: JsonObject) -> Event:
        return Event(kind, data, self._seq, self._boot_id)


class Subscription:
    """One who listens. Yields events until he is closed. Made by `Hub.subscribe`."""

    def __init__(self, types: Collection[str] | None, missed: Collection[Event]) -> None:
        self._types = types
        self._queue = deque(event for event in missed if self._wants(event))
        self._most = MAX_QUEUE + len(self._queue)
        self._reason: str | None = None
        self._changed = trio.lowlevel.ParkingLot()
        self._batch: deque[Event] = deque()

    @property
    def closed_because(self) -> str | None:
        """Why there are no more events; None while there may be."""
        return self._reason

    def put(self, event: Event) -> bool:
        """Queue an event; False where there is no room for it, even with tokens merged. `wake` is up to the caller."""
        if self._types is not None and event.type not in self._types:
            return True
        if len(self._queue) >= self._most:
            self._queue = merged(self._queue)
            if len(self._queue) > RELIEVED_QUEUE:
                self._queue.clear()
                return False
            self._most = MAX_QUEUE
        self._queue.append(event)
        return True

    def wake(self) -> bool:
        """Let `receive` go on if it has something to give, and waits. Whether it does."""
        return bool(self._queue) and bool(self._changed.unpark())

    def end(self, reason: str, last: Event) -> None:
        """No event comes after those that are queued, and this one."""
        self._reason = reason
        self._queue.append(last)
        self._changed.unpark_all()

    async def receive(self) -> list[Event]:
        """What has happened since, at least one event; none at the end.

        *Cancellation*: loses nothing.
        """
        if self._queue or self._reason is not None:
            await trio.lowlevel.checkpoint()
        while not self._queue and self._reason is None:
            await self._changed.park()
        events = list(self._queue)
        self._queue.clear()
        self._most = MAX_QUEUE
        return events

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event:
        if not self._batch:
            self._batch.extend(await self.receive())
        if not self._batch:
            raise StopAsyncIteration
        return self._batch.popleft()

    def _wants(self, event: Event) -> bool:
        return self._types is None or event.type in self._types
