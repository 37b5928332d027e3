"""The way out: stored messages go to their channels, in strict order within a chat, and the chats side by side.

A lane is what goes to one chat of one account. It has a task while there is something to send (`lanes.py`), which takes
the oldest message, tries until that is sent or given up (`delivery.py`), and then the next. An attempt is committed
before it begins, and each part when it was sent, so a process that dies in between leaves behind how far it came.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from math import inf

import structlog
import trio
from structlog.typing import FilteringBoundLogger

from xopc.contracts.messages import Address, ErrorClass, Outbound, OutboxRow, OutboxState
from xopc.contracts.settings.outbox import DAY_SECONDS
from xopc.core.hub import Hub
from xopc.core.leaps import WallClock
from xopc.core.outbox.delivery import Deliveries, Sender, is_idempotent
from xopc.core.outbox.lanes import Lane, Lanes
from xopc.core.outbox.pacing import Pacer
from xopc.core.outbox.pauses import Pauses
from xopc.core.outbox.retry import STORAGE_MOST_SECONDS, delay_seconds
from xopc.core.stored import until_stored
from xopc.storage.base import StorageError
from xopc.storage.path.base import PathStorage
from xopc.storage.path.outbox import Attempt, LaneHead, Removal, Selection, account_of, lane_of

MAX_SENDS = 16
"""At once."""
PRUNE_SECONDS = 3600.0
"""Between two times that the storage forgets what is old."""
EXPIRY_SECONDS, MOST_EXPIRY_SECONDS = 5.0, 30.0
"""Between two looks for messages whose own time is over, while there are such messages: the clock may be set."""
MAX_EXPIRED = 500
"""At a look."""

_log: FilteringBoundLogger = structlog.get_logger("xopc.outbox")


class Outbox:
    """The way out of one generation."""

    def __init__(
        self,
        storage: PathStorage,
        channels: Mapping[str, Sender],
        hub: Hub,
        *,
        ttl_seconds: Callable[[], float] = lambda: DAY_SECONDS,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = lambda: random.uniform(-1, 1),  # noqa: S311  spreads load, keeps no secret
    ) -> None:
        """
        Args:
            channels: by their ids; may change.
            ttl_seconds: the time in which a message is sent that does not say otherwise; may change.
            clock: the time of the storage, in seconds since the epoch.
        """
        self._storage = storage
        self._channels = channels
        self._clock = WallClock(clock)
        self._jitter = jitter
        self._limiter = trio.CapacityLimiter(MAX_SENDS)
        self._pauses = Pauses()
        self._pacer = Pacer()
        self._draining = trio.Event()
        self._deliveries = Deliveries(
            storage, hub, self._clock, self._pauses, self._pacer, ttl_seconds, jitter, self._draining
        )
        self._ttl_seconds = ttl_seconds
        self._limited = trio.Event()
        """There may be another message with a time of its own."""
        self._lanes = Lanes(storage, self._serve, self._pause_of_lane, jitter)

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Replay what an earlier process left, report started, and send until cancelled. Where the storage fails,
        the report does not wait for it.

        *Cancellation*: a message that is just being sent is sent again by whoever runs next, as a possible duplicate.
        """
        try:
            await self._recover()
        except StorageError as error:
            _log.error("The outbox cannot be read; nothing is sent until it can.", error=str(error))
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            await until_stored(self._jitter, self._recover)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._lanes.run, name="lanes")
                nursery.start_soon(self._expire, name="expire")
                nursery.start_soon(self._prune, name="prune")
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._draining.set()
            self._lanes.stop()

    async def enqueue(self, outbound: Outbound, idempotency_key: str | None = None) -> tuple[str, bool]:
        """Store a message to send: its id, and whether the same one was stored under this key before.

        Raises:
            XopcError: CONFLICT: the key was used for another message.
            StorageError: it was not stored.
        """
        row_id, known = await self._storage.enqueue(outbound, idempotency_key)
        if outbound.ttl_seconds is not None:
            self._limited.set()
        self.wake([_lane_of(outbound.address)])
        return row_id, known

    async def retry_dead(self, row_id: str) -> bool:
        """Send a dead letter anew; False where there is no such one.

        Raises:
            StorageError: nothing was changed.
        """
        revived = await self._storage.retry_dead(row_id)
        self._limited.set()
        row = await self._storage.outbox_row(row_id) if revived else None
        if row is not None:
            self._lanes.wake([_lane_of(row.outbound.address)])
        return revived

    async def retry_all_dead(self, selection: Selection) -> int:
        """Send all dead letters of a selection anew. How many there were.

        Raises:
            StorageError: nothing was changed.
        """
        count, lanes = await self._storage.retry_all_dead(selection)
        self._limited.set()
        self._lanes.wake(sorted(lanes))
        return count

    async def remove(self, row_id: str) -> Removal | None:
        """Take a message back that waits, or forget a dead letter; None where there is no such message.

        Raises:
            StorageError: nothing was changed.
        """
        row = await self._storage.outbox_row(row_id)
        removal = await self._storage.remove(row_id)
        if row is not None and removal is Removal.CANCELLED:
            self._lanes.wake([_lane_of(row.outbound.address)])
        return removal

    def wake(self, lanes: Sequence[str]) -> None:
        """There is something new to send in these lanes (`lane_of` their addresses)."""
        self._lanes.grow(lanes)

    def refresh(self, channel: str, account: str | None = None) -> None:
        """A channel has other settings or, with `account`, one of its accounts is connected: try what waited for it."""
        if account is None:
            self._pauses.lift(channel)
        self._lanes.hurry(channel, account)

    def waits_for(self, row: OutboxRow) -> str | None:
        """Why the account of a message is left alone at the moment, if it is."""
        address = row.outbound.address
        return self._pauses.reason((address.channel, address.account))

    async def drain(self) -> None:
        """Begin to send nothing more, and return when nothing is being sent. Bounded by the caller, who then cancels
        `run`."""
        self._draining.set()
        self._lanes.stop()
        await self._deliveries.until(lambda: not self._deliveries.sending)

    async def finish_with(self, sender: Sender) -> None:
        """Return when nothing is being sent by a sender that is no longer among the channels: it may be closed."""
        sending = self._deliveries.sending
        await self._deliveries.until(lambda: all(other is not sender for other in sending.values()))

    # ----------------------------------------------------------------- lanes

    async def _serve(self, lane: Lane) -> None:
        """Send what is in a lane, until there is nothing left, or others need its task more."""
        failures = served = 0
        while not self._draining.is_set() and not lane.gives_way:
            lane.woken, lane.has_grown = trio.Event(), False
            try:
                row = await self._storage.outbox_head(lane.name)
                if row is None:
                    if lane.woken.is_set() or lane.has_grown:
                        continue
                    return
                served += await self._advance(lane, row)
                lane.gives_way = lane.gives_way or self._lanes.has_had_its_share(served)
                failures = 0
            except Exception as error:  # whatever it is, it must not keep the other lanes from sending
                failures += 1
                exc_info = None if isinstance(error, StorageError) else error
                _log.error("A lane of the outbox cannot go on.", lane=lane.name, error=str(error), exc_info=exc_info)
                with trio.move_on_after(delay_seconds(failures, self._jitter(), STORAGE_MOST_SECONDS)):
                    await self._draining.wait()

    async def _advance(self, lane: Lane, row: OutboxRow) -> bool:
        """Try a message, give it up, or wait for what it waits for. Whether it was tried or given up.

        Raises:
            StorageError: the attempt did not begin.
        """
        address = row.outbound.address
        sender = self._channels.get(address.channel)
        if sender is None:
            what = f'There is no channel "{address.channel}". Look at channels in the configuration.'
            await self._deliveries.settle(row, Attempt(OutboxState.DEAD, what, ErrorClass.PERMANENT))
            return True
        if verdict := self._deliveries.verdict(row, sender):
            await self._deliveries.settle(row, verdict)
            return True
        chat_pause = self._pacer.chat_pause(sender, address, trio.current_time())
        if pause := max(self._pause_before(lane, row), chat_pause):
            await self._lanes.wait(lane, min(pause, self._time_left(row.queued_at, row.outbound.ttl_seconds)))
            return False
        if pause := self._pacer.reserve(sender, address, trio.current_time()):
            with trio.move_on_after(pause):
                await self._draining.wait()
        async with self._limiter:  # both waits may have taken long
            if self._draining.is_set() or self._pause_before(lane, row) or self._deliveries.verdict(row, sender):
                return False
            await self._deliveries.attempt(lane, row, self._channels.get(address.channel, sender))
            return True

    def _pause_before(self, lane: Lane, row: OutboxRow) -> float:
        """How long a message still has to wait, in seconds.

        What was read off the wall once is counted from then on: that clock may be set meanwhile. One that was set
        back before leaves a stored time too far ahead, but no pause is longer than it was when it began.
        """
        if not lane.knows(row.id, row.next_attempt_at):
            pause = min(row.next_attempt_at - self._clock.now(), row.pause_seconds)
            lane.plan(row.id, row.next_attempt_at, pause, is_asked=True)  # nobody knows who asked for it
        return max(lane.pause(), self._pauses.seconds_left(lane.account), 0.0)

    def _pause_of_lane(self, head: LaneHead) -> float:
        """The same, of a lane without a task, or less: until the time of its message is over."""
        pause = min(head.next_attempt_at - self._clock.now(), head.pause_seconds)
        pause = max(pause, self._pauses.seconds_left(account_of(head.lane)))
        return max(min(pause, self._time_left(head.queued_at, head.ttl_seconds)), 0.0)

    def _time_left(self, queued_at: float, own_ttl: float | None) -> float:
        """Seconds until it is too late to send a message."""
        ttl = self._ttl_seconds() if own_ttl is None else own_ttl
        return ttl - self._clock.age(queued_at)

    # --------------------------------------------------------------- storage

    async def _recover(self) -> None:
        """Take over what an earlier process left.

        Raises:
            StorageError: it cannot be read.
        """
        pauses = await self._storage.outbox_pauses()
        idempotent = [name for name, sender in self._channels.items() if is_idempotent(sender)]
        recovered = await self._storage.recover_outbox(idempotent)
        self._pauses.resume(pauses, self._clock.now())
        if recovered:
            _log.warn("Messages were being sent when the gateway ended; they may arrive twice.", messages=recovered)

    async def _expire(self) -> None:
        """Report what waits behind others for longer than it may: its sender wants to know in time."""
        while True:
            self._limited = trio.Event()
            try:
                for row in await self._storage.expired(self._clock.now(), MAX_EXPIRED):
                    address = row.outbound.address
                    if await self._deliveries.expire(row, self._channels.get(address.channel)):
                        self._lanes.wake([_lane_of(address)])
                expiry = await self._storage.next_expiry()
                pause = inf if expiry is None else expiry - self._clock.now()
            except StorageError as error:
                _log.error("Messages whose time is over could not be given up.", error=str(error))
                pause = MOST_EXPIRY_SECONDS
            if pause < inf:
                pause = min(max(pause, EXPIRY_SECONDS), MOST_EXPIRY_SECONDS)
            with trio.move_on_after(pause):
                await self._limited.wait()

    async def _prune(self) -> None:
        leaps = self._clock.leaps
        while True:
            now, before, leaps = self._clock.now(), leaps, self._clock.leaps
            try:
                if leaps == before:  # a clock that was just set may be set right again before the next time
                    await self._storage.prune(now)
            except StorageError as error:
                _log.error("What is old could not be removed from the storage.", error=str(error))
            await trio.sleep(PRUNE_SECONDS)


def _lane_of(address: Address) -> str:
    return lane_of(address.channel, address.account, address.chat)
