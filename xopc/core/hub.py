"""The broadcast hub: every event of the gateway, to whoever wants to know, in one order.

The newest lifecycle events are kept, for subscribers that come back. `agent.stream` is not among them: tokens would
push out all else, and whoever wants to know a run whole follows it by its id (`runs.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from typing import Any, cast

import structlog
import trio
from structlog.typing import FilteringBoundLogger

from xopc.contracts.convert import JsonObject
from xopc.contracts.events import Event

AGENT_STREAM = "agent.stream"
RESYNC = "resync"
SHUTDOWN = "shutdown"

MAX_KEPT = 1000
"""Lifecycle events, for replay."""
MAX_QUEUE = 1000
"""Events that wait for one subscriber, beside those that he comes back for."""
RELIEVED_QUEUE = MAX_QUEUE * 3 // 4
"""What the merging of tokens must bring a full queue down to; it would begin again at once, otherwise."""

_log: FilteringBoundLogger = structlog.get_logger("xopc.events")


class Hub:
    """One for the life of a process. Not for several threads."""

    def __init__(self, boot_id: str) -> None:
        self._boot_id = boot_id
        self._seq = 0
        self._kept: deque[Event] = deque()
        self._forgotten = 0
        self._last: Event | None = None
        """Once it is closed for good: all that there is to hear."""
        self._subscriptions: set[Subscription] = set()

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens; if not, an `agent.stream` need not be published."""
        return bool(self._subscriptions)

    def id_of(self, event: Event) -> str:
        """The event's id, which `subscribe` takes: `<boot id>-<seq>`."""
        return f"{self._boot_id}-{event.seq}"

    def publish(self, type: str, data: JsonObject) -> None:  # noqa: A002  the word of the protocol
        """Tell all subscribers. `data` is JSON, and not changed afterwards."""
        self._seq += 1
        event = Event(type, data, self._seq)
        if type != AGENT_STREAM:
            if len(self._kept) == MAX_KEPT:
                self._forgotten = self._kept.popleft().seq
            self._kept.append(event)
        for subscription in tuple(self._subscriptions):
            if not subscription.put(event):
                self._subscriptions.discard(subscription)
                _log.warn("A subscriber of the events is too slow and is closed.", waiting=MAX_QUEUE)

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
        self._subscriptions.add(subscription)
        if self._last is not None:
            subscription.put(self._last)
            subscription.end("the gateway ends")
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def close(self, reason: str, restart_expected_ms: int | None = None, *, for_good: bool = False) -> None:
        """Tell those who listen now that it is over, with `shutdown` as their last event.

        For good, whoever comes later is told the same at once: he must not hold up the end of the process.
        """
        event = Event(SHUTDOWN, {"reason": reason, "restartExpectedMs": restart_expected_ms}, self._seq)
        self._last = event if for_good else None
        for subscription in self._subscriptions:
            subscription.put(event)
            subscription.end(reason)
        self._subscriptions.clear()

    def _missed(self, last_id: str) -> list[Event]:
        boot_id, _, number = last_id.strip().rpartition("-")
        seq = int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else -1
        if boot_id != self._boot_id or not 0 <= seq <= self._seq:
            return [Event(RESYNC, {"reason": "the id is not of this run of the gateway"}, self._seq)]
        if seq < self._forgotten:
            return [Event(RESYNC, {"reason": f"there were more than {MAX_KEPT} events since"}, self._seq)]
        return [event for event in self._kept if event.seq > seq]


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
        """Queue an event; False where that ended the subscription, because its queue is full."""
        if not self._wants(event):
            return True
        if len(self._queue) >= self._most:
            self._queue = _merged(self._queue)
            if len(self._queue) > RELIEVED_QUEUE:
                self._queue.clear()
                self.end("too slow: events are read slower than they happen")
                return False
            self._most = MAX_QUEUE
        self._queue.append(event)
        self._changed.unpark_all()
        return True

    def end(self, reason: str) -> None:
        """No event comes after those that are queued."""
        self._reason = reason
        self._changed.unpark_all()

    async def receive(self) -> list[Event]:
        """What has happened since, at least one event; none at the end.

        *Cancellation*: loses nothing.
        """
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


def _merged(events: Collection[Event]) -> deque[Event]:
    """The same events, with the tokens of each run as one where nothing else of the run came between them.

    The new one stands where the first stood, so that it is not behind what came after it in its run.
    """
    merged: list[Event] = []
    open_tokens: dict[str, int] = {}
    texts: dict[int, list[str]] = {}
    for event in events:
        run_id = _run_of(event)
        token = _token_of(event)
        place = open_tokens.get(run_id) if run_id is not None else None
        if token is not None and place is not None:
            if token.get("reset"):
                texts[place].clear()
                merged[place] = event
            texts[place].append(token["content"])
            continue
        if token is not None and run_id is not None:
            open_tokens[run_id] = len(merged)
            texts[len(merged)] = [token["content"]]
        elif run_id is not None:
            open_tokens.pop(run_id, None)
        merged.append(event)
    for place, parts in texts.items():
        whole = merged[place]
        stream = {**whole.data["event"], "content": "".join(parts)}
        merged[place] = Event(whole.type, {**whole.data, "event": stream}, whole.seq)
    return deque(merged)


def _run_of(event: Event) -> str | None:
    return event.data.get("runId") if event.type == AGENT_STREAM else None


def _token_of(event: Event) -> dict[str, Any] | None:
    stream = event.data.get("event") if event.type == AGENT_STREAM else None
    if not isinstance(stream, dict):
        return None
    stream = cast("dict[str, Any]", stream)
    return stream if stream.get("type") == "token" else None
