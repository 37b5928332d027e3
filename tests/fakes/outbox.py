"""An outbox with everything real but its channel, which notes what it is to send."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import trio
from attrs import define, field

from tests.fakes.path_storage import InlinePath, stored_now
from xopc.contracts.messages import Address, Delivery, Outbound, OutboxRow, OutboxState, Sent
from xopc.contracts.settings.outbox import DAY_SECONDS
from xopc.core.hub import Hub, Subscription
from xopc.core.outbox.outbox import Outbox
from xopc.core.outbox.pacing import Limit

HOUR = 3600.0


@define(eq=False)
class Carrier:
    """A channel that notes what it is to send, and when; parts are separated by `|`."""

    script: dict[str, deque[Delivery | Exception]] = field(factory=dict[str, deque[Delivery | Exception]])
    """How the next sends of a text end; after that, or without any, it is sent."""
    seconds: float = 0.0
    """How long a send takes."""
    is_idempotent: bool = False
    limited: Sequence[Limit] = ()
    calls: list[tuple[float, str, str]] = field(factory=list[tuple[float, str, str]])
    """Trio's time, the chat and the text."""
    sent: list[tuple[str, str]] = field(factory=list[tuple[str, str]])
    at_once: Counter[str] = field(factory=Counter[str])
    most_at_once: int = 0

    def limits(self, address: Address) -> Sequence[Limit]:
        return self.limited

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


@define(eq=False)
class World:
    """The outbox of one generation."""

    storage: InlinePath
    carrier: Carrier = field(factory=Carrier)
    wall: Wall = field(factory=Wall, kw_only=True)
    ttl_seconds: float = field(default=DAY_SECONDS, kw_only=True)
    hub: Hub = field(factory=lambda: Hub("boot-1"))
    outbox: Outbox = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.outbox = Outbox(
            self.storage,
            {"telegram": self.carrier},
            self.hub,
            ttl_seconds=lambda: self.ttl_seconds,
            clock=self.wall.now,
            jitter=lambda: 0,
        )

    async def send(
        self,
        text: str,
        chat: str = "1",
        account: str = "default",
        channel: str = "telegram",
        ttl_seconds: int | None = None,
    ) -> str:
        row_id, _ = await self.outbox.enqueue(Outbound(Address(channel, account, chat), text, ttl_seconds=ttl_seconds))
        return row_id

    async def row(self, row_id: str) -> OutboxRow:
        row = await self.storage.outbox_row(row_id)
        assert row is not None
        return row

    async def settled(self, row_id: str, look_seconds: float = 0.25) -> OutboxRow:
        """The row when it is sent, dead or cancelled."""
        while True:
            row = await self.row(row_id)
            if row.state not in (OutboxState.PENDING, OutboxState.INFLIGHT):
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
