"""One attempt to send a message, from its commit to that of what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import structlog
import trio
from attrs import define, field
from structlog.typing import FilteringBoundLogger

from xopc.contracts.messages import Delivery, Failed, Outbound, OutboxRow, OutboxState, Retry, Sent, Unknown
from xopc.core.hub import Hub
from xopc.core.leaps import WallClock
from xopc.core.outbox.lanes import Lane
from xopc.core.outbox.pacing import Pacer
from xopc.core.outbox.pauses import Pauses
from xopc.core.outbox.retry import after_attempt, before_attempt
from xopc.core.stored import until_stored
from xopc.storage.path.base import PathStorage
from xopc.storage.path.outbox import Attempt, Pause

SEND_SECONDS = 120.0
"""A channel that takes longer for one part is not waited for."""

SENT = "A message was sent."
"""In the log, with the ids that the platform gave it."""

_log: FilteringBoundLogger = structlog.get_logger("xopc.outbox")


class Sender(Protocol):
    """What the outbox uses of a channel; `channels/base.py` says what each promises."""

    def split(self, outbound: Outbound) -> tuple[str, ...]: ...

    async def send(self, outbound: Outbound, text: str, *, part: int) -> Delivery: ...


@runtime_checkable
class Idempotent(Protocol):
    """What a channel has that can be told to send the same part again without anybody seeing it twice."""

    @property
    def is_idempotent(self) -> bool:
        """Whether it is so."""
        ...


def is_idempotent(sender: object) -> bool:
    """Whether a channel says so of itself."""
    return isinstance(sender, Idempotent) and sender.is_idempotent


@define(eq=False)
class Deliveries:
    """Makes attempts, and knows which are under way."""

    storage: PathStorage
    hub: Hub
    clock: WallClock
    pauses: Pauses
    pacer: Pacer
    ttl_seconds: Callable[[], float]
    """Of a message that does not say otherwise."""
    jitter: Callable[[], float]
    draining: trio.Event
    sending: dict[str, Sender] = field(factory=dict[str, Sender])
    """By the ids of the messages that are being sent."""
    _ended: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    async def until(self, is_over: Callable[[], bool]) -> None:
        """Return when a condition holds that the ends of attempts bring about."""
        while not is_over():
            await self._ended.park()

    def ttl(self, row: OutboxRow) -> float:
        """In how many seconds a message is sent, or not at all."""
        own = row.outbound.ttl_seconds
        return self.ttl_seconds() if own is None else own

    def verdict(self, row: OutboxRow, sender: object) -> Attempt | None:
        """The end of a message that is not to be tried any more."""
        age = self.clock.age(row.queued_at)
        return before_attempt(row, age, self.ttl(row), is_idempotent=is_idempotent(sender))

    async def attempt(self, lane: Lane, row: OutboxRow, sender: Sender) -> None:
        """Send a message, or as much of it as can be sent now. One that was taken back meanwhile is left alone.

        Raises:
            StorageError: the attempt did not begin.
        """
        self.sending[row.id] = sender
        try:
            if not await self.storage.begin_attempt(row.id):
                return
            if row.possible_duplicate:
                _log.warn("A message may be sent twice.", **_fields(row), possibleDuplicate=True)
            delivery, platform_ids = await self._send(sender, row)
            await self._conclude(lane, row, sender, delivery, platform_ids)
        finally:
            del self.sending[row.id]
            self._ended.unpark_all()

    async def settle(self, row: OutboxRow, attempt: Attempt) -> None:
        """Commit how a message stands, and tell everybody when it is given up."""
        changed = await until_stored(self.jitter, self.storage.settle, row.id, attempt)
        if changed and attempt.state is OutboxState.DEAD:
            self._tell_given_up(row, attempt)

    async def expire(self, row: OutboxRow, sender: object) -> bool:
        """Give up a message that waits behind others, if its time is over.

        Raises:
            StorageError: it was not stored.
        """
        verdict = self.verdict(row, sender)
        if verdict is None or not await self.storage.give_up(row.id, verdict):
            return False
        self._tell_given_up(row, verdict)
        return True

    def _tell_given_up(self, row: OutboxRow, attempt: Attempt) -> None:
        failure = {
            "error": attempt.error,
            "errorClass": attempt.error_class and attempt.error_class.value,
            "possibleDuplicate": row.possible_duplicate or attempt.possible_duplicate,
        }
        _log.warn("A message is given up and stands in the dead letters.", **_fields(row), **failure)
        self.hub.publish("message.failed", {**_data(row), **failure})

    async def _send(self, sender: Sender, row: OutboxRow) -> tuple[Delivery | None, list[str]]:
        """Send the parts that were not sent yet, until one fails; None where the rest has to wait: for another process
        in a drain, or for the platform's limits.

        Also the platform's ids of all its parts.
        """
        platform_ids = list(row.platform_ids)
        address = row.outbound.address
        try:
            parts = sender.split(row.outbound)
        except Exception as error:  # a fault of the channel, which is the same next time
            _log.exception("A channel could not split a message.", **_fields(row))
            return Failed(f"The channel could not split it: {error}"), platform_ids
        for part in range(row.parts_sent, len(parts)):
            if part > row.parts_sent:
                if self.draining.is_set() or self.pacer.pause(sender, address, trio.current_time()):
                    return None, platform_ids
                self.pacer.reserve(sender, address, trio.current_time())
            delivery = await self._send_part(sender, row, parts[part], part)
            if not isinstance(delivery, Sent):
                return delivery, platform_ids
            if delivery.message_id is not None:
                platform_ids.append(delivery.message_id)
            await until_stored(self.jitter, self.storage.record_part, row.id, part + 1, delivery.message_id)
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
        self, lane: Lane, row: OutboxRow, sender: Sender, delivery: Delivery | None, platform_ids: Sequence[str]
    ) -> None:
        """Commit what came of an attempt, and tell everybody."""
        if delivery is None:
            await self.settle(row, Attempt(OutboxState.PENDING, was_cut=True))
            return
        if isinstance(delivery, Sent):
            if await until_stored(self.jitter, self.storage.settle, row.id, Attempt(OutboxState.SENT)):
                sent = {"platformMessageIds": list(platform_ids), "possibleDuplicate": row.possible_duplicate}
                _log.info(SENT, **_fields(row), **sent)
                self.hub.publish("message.sent", {**_data(row), **sent})
            return
        now = self.clock.now()
        attempt = after_attempt(
            row,
            delivery,
            age=self.clock.age(row.queued_at),
            ttl_seconds=self.ttl(row),
            now=now,
            jitter=self.jitter(),
            is_idempotent=is_idempotent(sender),
            account_pause=self._begin_pause(lane, delivery, now),
        )
        if attempt.is_unclear:
            _log.warn("A message may have been sent.", **_fields(row), error=delivery.error, possibleDuplicate=True)
        if attempt.state is OutboxState.PENDING:
            is_asked = isinstance(delivery, Retry) and delivery.after_seconds is not None and not delivery.until_changed
            lane.plan(row.id, attempt.next_attempt_at, attempt.pause_seconds, is_asked=is_asked)
            kind = attempt.error_class and attempt.error_class.value
            again = round(max(attempt.pause_seconds, self.pauses.seconds_left(lane.account)), 1)
            what = "A message could not be sent yet."
            _log.info(what, **_fields(row), error=delivery.error, errorClass=kind, retryInSeconds=again)
        await self.settle(row, attempt)

    def _begin_pause(self, lane: Lane, delivery: Delivery, now: float) -> Pause | None:
        """Leave its account alone, where the platform says so; the pause to remember beyond this process."""
        if not isinstance(delivery, Retry) or not delivery.whole_account or not delivery.after_seconds:
            return None
        seconds = delivery.after_seconds
        self.pauses.begin(lane.account, seconds, delivery.error, until_changed=delivery.until_changed)
        return None if delivery.until_changed else Pause(*lane.account, now + seconds, seconds, delivery.error)


def _data(row: OutboxRow) -> dict[str, object]:
    address = row.outbound.address
    return {"channel": address.channel, "accountId": address.account, "chatId": address.chat, "messageId": row.id}


def _fields(row: OutboxRow) -> dict[str, object]:
    run = {} if row.run_id is None else {"run": row.run_id}
    return {**_data(row), **run, "attempt": row.attempts + 1}
