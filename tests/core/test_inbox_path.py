"""From the inbox to the channel over the real storage, with its thread and in real time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio
from attrs import define, field, frozen

from xopc.contracts.events import AgentEvent, Token
from xopc.contracts.messages import Address, Delivery, Inbound, Outbound, PeerKind, Sent
from xopc.contracts.transcript import Message, Role, RunState
from xopc.core.hub import Hub
from xopc.core.inbox import Inbox
from xopc.core.outbox.outbox import Outbox
from xopc.core.router import Routing, route
from xopc.core.sessions.runs import Runs
from xopc.core.sessions.sessions import Sessions
from xopc.storage.path.base import Cursor, Turn, TurnEnd
from xopc.storage.sqlite import open_storage

CHATS, MESSAGES = 8, 6


@define(eq=False)
class Chats:
    """The platform: what arrived in each chat."""

    arrived: dict[str, list[str]] = field(factory=dict[str, list[str]])
    changed: trio.Event = field(factory=trio.Event)

    def split(self, outbound: Outbound) -> tuple[str, ...]:
        return (outbound.text,)

    async def send(self, outbound: Outbound, text: str, *, part: int) -> Delivery:
        await trio.lowlevel.checkpoint()
        self.arrived.setdefault(outbound.address.chat, []).append(text)
        self.changed.set()
        self.changed = trio.Event()
        return Sent(text)

    async def until_all_arrived(self, count: int) -> None:
        with trio.fail_after(20):
            while sum(map(len, self.arrived.values())) < count:
                await self.changed.wait()


@frozen
class Process:
    inbox: Inbox
    sessions: Sessions
    outbox: Outbox


@asynccontextmanager
async def process(path: Path, chats: Chats, boot_id: str, *, is_stuck: bool = False) -> AsyncGenerator[Process]:
    """One life of the gateway's core, cut off at the end."""

    async def run_turn(turn: Turn, emit: Callable[[AgentEvent], None]) -> TurnEnd:
        emit(Token("..."))
        if len(turn.steps) == 1:
            await storage.step(turn.run_id, Message(Role.ASSISTANT, "Let me see."))
        if is_stuck:
            await trio.sleep_forever()
        reply = f"{turn.inbound.text}!"
        return TurnEnd(RunState.DONE, Message(Role.ASSISTANT, reply), (Outbound(turn.inbound.address, reply),))

    hub = Hub(boot_id)
    async with open_storage(path) as storage:
        outbox = Outbox(storage, {"telegram": chats}, hub)
        sessions = Sessions(storage, run_turn, Runs(), hub, outbox.wake, boot_id)
        async with trio.open_nursery() as nursery:
            await nursery.start(sessions.run)
            await nursery.start(outbox.run)
            yield Process(Inbox(storage, partial(route, routing=Routing("main")), sessions), sessions, outbox)
            nursery.cancel_scope.cancel()


def batch(number: int) -> list[Inbound]:
    """One message to each chat."""
    return [
        Inbound(Address("telegram", "default", f"-{chat}"), PeerKind.GROUP, "7", str(number), f"tg:{chat}:{number}")
        for chat in range(1, CHATS + 1)
    ]


async def test_what_was_accepted_is_answered_once_and_in_order_though_the_process_is_cut_off(tmp_path: Path) -> None:
    chats = Chats()
    async with process(tmp_path / "xopc.db", chats, "boot-1") as first:
        for number in range(2):
            await first.inbox.accept(batch(number), Cursor("telegram", "default", str(number)))
        await chats.until_all_arrived(2 * CHATS)
    async with process(tmp_path / "xopc.db", chats, "boot-2", is_stuck=True) as second:
        for number in range(2, MESSAGES):
            accepted = await second.inbox.accept(batch(number))
            assert not any(one.duplicate for one in accepted)
        assert all(one.duplicate for one in await second.inbox.accept(batch(3)))
        await trio.sleep(0.05)
    async with process(tmp_path / "xopc.db", chats, "boot-3"):
        await chats.until_all_arrived(MESSAGES * CHATS)
    assert len(chats.arrived) == CHATS
    for chat in chats.arrived.values():
        assert chat == [f"{number}!" for number in range(MESSAGES)]
