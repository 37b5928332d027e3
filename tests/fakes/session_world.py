"""The sessions of one generation over a real storage, with an agent that answers when it is told to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import trio
from attrs import define, field

from tests.fakes.path_storage import InlinePath
from xopc.contracts.events import AgentEvent, Token
from xopc.contracts.messages import Address, Inbound, Outbound, PeerKind
from xopc.contracts.transcript import Message, Role, RunState, Usage
from xopc.core.hub import Hub
from xopc.core.sessions.runs import Runs
from xopc.core.sessions.sessions import Sessions
from xopc.storage.path.base import Acceptance, Turn, TurnEnd

Emit = Callable[[AgentEvent], None]
ONE, TWO = "main:telegram:default:dm:1", "main:telegram:default:dm:2"


@define(eq=False)
class World:
    """The sessions of one generation, with an agent that answers when it is told to."""

    storage: InlinePath
    boot_id: str = "boot-1"
    runs: Runs = field(factory=Runs)
    hub: Hub = field(factory=lambda: Hub("boot-1"))
    begun: list[str] = field(factory=list[str])
    """Runs, as the agent began with them."""
    turns: list[Turn] = field(factory=list[Turn])
    at_once: int = 0
    most_at_once: int = 0
    woken: list[str] = field(factory=list[str])
    """Lanes of the outbox."""
    go: trio.Event = field(factory=trio.Event)
    answer: Callable[[Turn, Emit], TurnEnd] = field(init=False, default=lambda turn, emit: done(turn))
    sessions: Sessions = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.sessions = Sessions(self.storage, self.run_turn, self.runs, self.hub, self.woken.extend, self.boot_id)

    async def run_turn(self, turn: Turn, emit: Emit) -> TurnEnd:
        self.begun.append(turn.run_id)
        self.turns.append(turn)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            emit(Token("Hel"))
            await self.go.wait()
            return self.answer(turn, emit)
        finally:
            self.at_once -= 1

    async def accept(self, run_id: str, session: str = ONE, *, bound: bool = False, chat: str | None = None) -> None:
        address = Address("telegram", "default", chat or session.rpartition(":")[2])
        inbound = Inbound(address, PeerKind.DM, address.chat, f"to {run_id}", f"test:{run_id}")
        await self.storage.accept([Acceptance(inbound, session, run_id, bound=bound)])
        self.sessions.admit(session, run_id, bound=bound)

    async def events(self, run_id: str) -> list[AgentEvent]:
        """All of a run that is closed."""
        async with self.runs.follow(run_id) as stream:
            return [event async for _, event in stream]


def done(turn: Turn, text: str = "Hello") -> TurnEnd:
    answers = (Outbound(turn.inbound.address, text),)
    return TurnEnd(RunState.DONE, Message(Role.ASSISTANT, text), answers, "offline/echo", Usage(3, 2))


@asynccontextmanager
async def running(world: World, *, go: bool = True) -> AsyncGenerator[World]:
    async with trio.open_nursery() as nursery:
        if go:
            world.go.set()
        await nursery.start(world.sessions.run)
        yield world
        nursery.cancel_scope.cancel()


def workers() -> list[str]:
    """The tasks of sessions that there are."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    tasks, names = [root], list[str]()
    while tasks:
        task = tasks.pop()
        names.append(task.name)
        tasks += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return sorted(name for name in names if name.startswith("session "))
