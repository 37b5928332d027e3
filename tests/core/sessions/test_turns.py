from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import define, field

from tests.fakes.path_storage import InlinePath
from xopc.contracts.events import AgentEvent, Token
from xopc.contracts.messages import Address, Inbound, Outbound, PeerKind
from xopc.contracts.transcript import Message, Role, RunState
from xopc.core.hub import Hub
from xopc.core.sessions.pending import Pending
from xopc.core.sessions.runs import Runs
from xopc.core.sessions.turns import DELETED, Turns
from xopc.storage.path.base import Acceptance, Turn, TurnEnd
from xopc.storage.path.outbox import lane_of

KEY = "main:telegram:default:dm:1"
CHAT = Address("telegram", "default", "1")


@define(eq=False)
class World:
    """The turns of one generation, and what came of them."""

    storage: InlinePath
    runs: Runs = field(factory=Runs)
    hub: Hub = field(factory=lambda: Hub("boot-1"))
    pending: Pending = field(factory=Pending)
    woken: list[str] = field(factory=list[str])
    """Lanes of the outbox."""
    begun: list[str] = field(factory=list[str])
    turns: Turns = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.turns = Turns(self.storage, self.answer, self.runs, self.hub, self.woken.extend, self.pending)

    async def answer(self, turn: Turn, emit: Callable[[AgentEvent], None]) -> TurnEnd:
        self.begun.append(turn.run_id)
        emit(Token("Hello"))
        return TurnEnd(RunState.DONE, Message(Role.ASSISTANT, "Hello"), (Outbound(CHAT, "Hello"),))

    async def claim(self, run_id: str) -> Turn:
        inbound = Inbound(CHAT, PeerKind.DM, "1", f"to {run_id}", f"test:{run_id}")
        await self.storage.accept([Acceptance(inbound, KEY, run_id)])
        turn = await self.storage.claim(KEY, "boot-1")
        assert turn is not None
        return turn


@pytest.fixture
def world(storage: InlinePath) -> World:
    return World(storage)


async def test_a_claimed_turn_is_run_committed_and_told(world: World) -> None:
    turn = await world.claim("r1")
    world.pending.add(KEY, "r1", bound=False)
    await world.turns.run(turn)
    result = await world.storage.result("r1")
    assert result is not None
    assert (result.state, result.reply) == (RunState.DONE, "Hello")
    assert await world.runs.wait("r1") == result
    assert world.woken == [lane_of("telegram", "default", "1")]
    assert (world.turns.active, world.pending.count(KEY)) == ({}, 0)


async def test_a_turn_that_was_stopped_before_it_began_never_begins(world: World) -> None:
    turn = await world.claim("r1")
    world.pending.stop("r1")
    await world.turns.run(turn)
    result = await world.storage.result("r1")
    assert result is not None
    assert (result.state, world.begun, world.woken) == (RunState.ABORTED, [], [])
    assert not world.pending.is_stopped("r1")


async def test_a_run_is_over_when_it_has_ended_or_was_deleted_and_not_before(world: World) -> None:
    await world.claim("r1")
    world.runs.open("r1", KEY)
    assert not await world.turns.is_over("r1", KEY)
    await world.storage.delete_session(KEY)
    assert await world.turns.is_over("r1", KEY)
    assert (await world.runs.wait("r1")).error == DELETED
