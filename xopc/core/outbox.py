"""The way out: stored messages go to their channels, in strict order within a chat, and the chats side by side.

A lane is what goes to one chat of one account. It has a task while there is something to send, which takes the oldest
message, tries until that is sent or given up, and then the next. An attempt is committed before it begins, and each
part when it was sent, so a process that dies in between leaves behind how far it came.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar, TypeVarTuple

import structlog
import trio
from attrs import define, evolve, field
from structlog.typing import FilteringBoundLogger

from xopc.contracts.messages import (
    Address,
    Delivery,
    Failed,
    Outbound,
    OutboxRow,
    OutboxState,
    Retry,
    Sent,
    Unknown,
)
from xopc.core.hub import Hub
from xopc.core.leaps import WallClock
from xopc.core.retry import (
    LONGEST_PAUSE_SECONDS,
    MAX_SUSPECT_ATTEMPTS,
    STORAGE_MOST_SECONDS,
    after_attempt,
    delay_seconds,
)
from xopc.storage.base import StorageError
from xopc.storage.path import PathStorage
from xopc.storage.path_outbox import Attempt, lane_of

MAX_SENDS = 16
"""At once."""
SEND_SECONDS = 120.0
"""A channel that takes longer for one part is not waited for."""
PRUNE_SECONDS = 3600.0
"""Between two times that the storage forgets what is old."""

T = TypeVar("T")
Args = TypeVarTuple("Args")

_log: FilteringBoundLogger = structlog.get_logger("xopc.outbox")


class Sender(Protocol):
    """What the outbox uses of a channel; `channels/base.py` says what each promises."""

    def split(self, outbound: Outbound) -> tuple[str, ...]: ...

    async def send(self, outbound: Outbound, text: str, *, part: int) -> Delivery: ...


class Outbox:
    """The lanes of one generation."""

    def __init__(
        self,
        storage: PathStorage,
        channels: Mapping[str, Sender],
        hub: Hub,
        *,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = lambda: random.uniform(-1, 1),  # noqa: S311  spreads load, keeps no secret
    ) -> None:
        """`clock` gives the time of the storage, in seconds since the epoch."""
        self._storage = storage
        self._channels = channels
        self._hub = hub
        self._clock = WallClock(clock)
        self._jitter = jitter
        self._limiter = trio.CapacityLimiter(MAX_SENDS)
        self._nursery: trio.Nursery | None = None
        self._lanes: dict[str, _Lane] = {}
        self._paused: dict[tuple[str, str], float] = {}
        """Accounts that are to be left alone until then, of trio's clock."""
        self._draining = trio.Event()
        self._sending: dict[str, Sender] = {}
        """By the ids of the messages that are being sent."""
        self._sent = trio.lowlevel.ParkingLot()

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Replay what an earlier process left, report started, and send until cancelled. Where the storage fails,
        the report does not wait for it.

        *Cancellation*: a message that is just being sent is sent again by whoever runs next, as a possible duplicate.
        """
        try:
            recovered = await self._storage.recover_outbox()
        except StorageError as error:
            _log.error("The outbox cannot be read; nothing is sent until it can.", error=str(error))
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            recovered = await self._stored(self._storage.recover_outbox)
        if recovered:
            _log.warn("Messages were being sent when the gateway ended; they may arrive twice.", messages=recovered)
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery  # before the lanes are read, so that no message falls in between
                for row in await self._stored(self._storage.outbox_heads):
                    self.wake([_lane_of(row.outbound.address)])
                nursery.start_soon(self._prune, name="prune")
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._draining.set()

    async def enqueue(self, outbound: Outbound, idempotency_key: str | None = None) -> tuple[str, bool]:
        """Store a message to send: its id, and whether the same one was stored under this key before.

        Raises:
            XopcError: CONFLICT: the key was used for another message.
            StorageError: it was not stored.
        """
        row_id, known = await self._storage.enqueue(outbound, idempotency_key)
        self.wake([_lane_of(outbound.address)])
        return row_id, known

    async def retry_dead(self, row_id: str) -> bool:
        """Send a dead letter anew; False where there is no such one.

        Raises:
            StorageError: nothing was changed.
        """
        revived = await self._storage.retry_dead(row_id)
        row = await self._storage.outbox_row(row_id) if revived else None
        if row is not None:
            self.wake([_lane_of(row.outbound.address)])
        return revived

    def wake(self, lanes: Sequence[str]) -> None:
        """There may be something to send in these lanes (`lane_of` their addresses)."""
        if self._nursery is None or self._draining.is_set():
            return  # `run` begins with what there is
        for name in lanes:
            if lane := self._lanes.get(name):
                lane.woken.set()
            else:
                self._lanes[name] = lane = _Lane(name)
                self._nursery.start_soon(self._serve, lane, name="lane " + name.replace("\x1f", ":"))

    async def drain(self) -> None:
        """Begin to send nothing more, and return when nothing is being sent. Bounded by the caller, who then cancels
        `run`."""
        self._draining.set()
        for lane in self._lanes.values():
            lane.woken.set()
        while self._sending:
            await self._sent.park()

    async def finish_with(self, sender: Sender) -> None:
        """Return when nothing is being sent by a sender that is no longer among the channels: it may be closed."""
        while any(sending is sender for sending in self._sending.values()):
            await self._sent.park()

    # ----------------------------------------------------------------- lanes

    async def _serve(self, lane: _Lane) -> None:
        """Send what is in a lane, until there is nothing left."""
        failures = 0
        while not self._draining.is_set():
            lane.woken = trio.Event()
            try:
                row = await self._storage.outbox_head(lane.name)
                if row is None:
                    if lane.woken.is_set():
                        continue
                    break
                if pause := self._pause_before(lane, row):
                    with trio.move_on_after(pause):
                        await lane.woken.wait()
                    continue
                async with self._limiter:
                    if not self._draining.is_set() and not self._pause_before(
                        lane, row
                    ):  # both may have come meanwhile
                        await self._try(lane, row)
                failures = 0
            except Exception as error:  # whatever it is, it must not keep the other lanes from sending
                failures += 1
                exc_info = None if isinstance(error, StorageError) else error
                _log.error("A lane of the outbox cannot go on.", lane=lane.name, error=str(error), exc_info=exc_info)
                with trio.move_on_after(delay_seconds(failures, self._jitter(), STORAGE_MOST_SECONDS)):
                    await self._draining.wait()
        del self._lanes[lane.name]

    def _pause_before(self, lane: _Lane, row: OutboxRow) -> float:
        """How long a message still has to wait, in seconds.

        What was read off the wall once is counted from then on: that clock may be set meanwhile. One that was set
        back before leaves a stored time too far ahead, but no pause is longer than the longest.
        """
        if lane.planned != (row.id, row.next_attempt_at):
            lane.plan(row.id, row.next_attempt_at, min(row.next_attempt_at - self._clock.now(), LONGEST_PAUSE_SECONDS))
        address = row.outbound.address
        account_until = self._paused.get((address.channel, address.account), 0.0)
        return max(lane.due - trio.current_time(), account_until - trio.current_time(), 0.0)

    async def _try(self, lane: _Lane, row: OutboxRow) -> None:
        """One attempt to send a message, from its commit to that of what came of it.

        Raises:
            StorageError: the attempt did not begin.
        """
        sender = self._channels.get(row.outbound.address.channel)
        if sender is None:
            what = f'There is no channel "{row.outbound.address.channel}", or it is disabled.'
            await self._settle(row, Attempt(OutboxState.DEAD, f"{what} Look at channels in the configuration."))
            return
        if row.possible_duplicate and row.attempts >= MAX_SUSPECT_ATTEMPTS:
            await self._settle(row, Attempt(OutboxState.DEAD, f"Given up after {row.attempts} attempts."))
            return
        if row.possible_duplicate:
            _log.warn("A message may be sent twice.", **_fields(row), possibleDuplicate=True)
        self._sending[row.id] = sender
        try:
            await self._storage.begin_attempt(row.id)
            delivery, platform_ids = await self._send(sender, row)
            await self._conclude(lane, row, delivery, platform_ids)
        finally:
            del self._sending[row.id]
            self._sent.unpark_all()

    async def _send(self, sender: Sender, row: OutboxRow) -> tuple[Delivery | None, list[str]]:
        """Send the parts that were not sent yet, until one fails; None where a drain came between two of them.

        Also the platform's ids of all its parts.
        """
        platform_ids = list(row.platform_ids)
        try:
            parts = sender.split(row.outbound)
        except Exception as error:  # a fault of the channel, which is the same next time
            _log.exception("A channel could not split a message.", **_fields(row))
            return Failed(f"The channel could not split it: {error}"), platform_ids
        for part in range(row.parts_sent, len(parts)):
            if self._draining.is_set() and part > row.parts_sent:
                return None, platform_ids
            delivery = await self._send_part(sender, row, parts[part], part)
            if not isinstance(delivery, Sent):
                return delivery, platform_ids
            if delivery.message_id is not None:
                platform_ids.append(delivery.message_id)
            await self._stored(self._storage.record_part, row.id, part + 1, delivery.message_id)
        return Sent(), platform_ids

    async def _send_part(self, sender: Sender, row: OutboxRow, text: str, part: int) -> Delivery:
        try:
            with trio.move_on_after(SEND_SECONDS):
                return await sender.send(row.outbound, text, part=part)
        except Exception as error:  # a fault of the channel, which does not say whether it was sent
            _log.exception("A channel could not send a message.", **_fields(row))
            return Unknown(f"The channel failed: {error}")
        return Unknown(f"The channel took longer than {SEND_SECONDS:.0f} s.")

    async def _conclude(
        self, lane: _Lane, row: OutboxRow, delivery: Delivery | None, platform_ids: Sequence[str]
    ) -> None:
        """Commit what came of an attempt, and tell everybody."""
        if delivery is None:
            await self._settle(row, Attempt(OutboxState.PENDING))
            return
        if isinstance(delivery, Sent):
            await self._stored(self._storage.settle, row.id, Attempt(OutboxState.SENT))
            self._hub.publish("message.sent", {**_data(row), "platformMessageIds": list(platform_ids)})
            return
        if isinstance(delivery, Retry) and delivery.whole_account and delivery.after_seconds:
            account = (row.outbound.address.channel, row.outbound.address.account)
            self._paused[account] = trio.current_time() + delivery.after_seconds
        now = self._clock.now()
        aged = evolve(row, created_at=now - self._clock.age(row.created_at))
        attempt = after_attempt(aged, delivery, now, self._jitter())
        if isinstance(delivery, Unknown):
            _log.warn("A message may have been sent.", **_fields(row), error=delivery.error, possibleDuplicate=True)
        elif attempt.state is OutboxState.PENDING:
            pause = attempt.next_attempt_at - now
            lane.plan(row.id, attempt.next_attempt_at, pause)
            _log.info(
                "A message could not be sent yet.", **_fields(row), error=delivery.error, retryInSeconds=round(pause, 1)
            )
        await self._settle(row, attempt)

    async def _settle(self, row: OutboxRow, attempt: Attempt) -> None:
        await self._stored(self._storage.settle, row.id, attempt)
        if attempt.state is OutboxState.DEAD:
            _log.warn("A message is given up and stands in the dead letters.", **_fields(row), error=attempt.error)
            self._hub.publish("message.failed", {**_data(row), "error": attempt.error})

    # --------------------------------------------------------------- storage

    async def _stored(self, transaction: Callable[[*Args], Awaitable[T]], *args: *Args) -> T:
        """Run a transaction, again and again until it is stored: what was sent must not be forgotten."""
        failures = 0
        while True:
            try:
                return await transaction(*args)
            except StorageError as error:
                failures += 1
                _log.error("The outbox cannot be stored.", error=str(error))
                await trio.sleep(delay_seconds(failures, self._jitter(), STORAGE_MOST_SECONDS))

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


@define(eq=False)
class _Lane:
    name: str
    woken: trio.Event = field(factory=trio.Event)
    planned: tuple[str, float] = ("", 0.0)
    """The message that `due` is of, and the time that is stored with it."""
    due: float = 0.0
    """Of trio's clock."""

    def plan(self, row_id: str, next_attempt_at: float, pause: float) -> None:
        self.planned = (row_id, next_attempt_at)
        self.due = trio.current_time() + pause


def _lane_of(address: Address) -> str:
    return lane_of(address.channel, address.account, address.chat)


def _data(row: OutboxRow) -> dict[str, object]:
    address = row.outbound.address
    return {"channel": address.channel, "accountId": address.account, "chatId": address.chat, "messageId": row.id}


def _fields(row: OutboxRow) -> dict[str, object]:
    return {**_data(row), "attempt": row.attempts + 1}
