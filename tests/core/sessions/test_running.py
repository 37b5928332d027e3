from __future__ import annotations

from attrs import evolve

from xopc.contracts.events import AgentEvent, MessageEnd, Progress, Token
from xopc.contracts.messages import Address, Inbound, PeerKind
from xopc.contracts.transcript import Entry, Message, Role
from xopc.core.sessions.running import RunningTurn
from xopc.storage.path.base import Turn

INBOUND = Inbound(Address("telegram", "default", "1"), PeerKind.DM, "1", "hello", "key")
TURN = Turn("r1", "a:b:c:d:e", INBOUND, True, False, None, ())


def said(*messages: Message) -> Turn:
    return evolve(TURN, steps=tuple(Entry(seq, message, "r1", 0) for seq, message in enumerate(messages, 1)))


async def test_the_draft_is_what_was_said_since_the_last_message() -> None:
    heard: list[AgentEvent] = []
    turn = RunningTurn(TURN, heard.append)
    events = [Progress("writing", "Writing"), Token("Hel"), Token("lo"), MessageEnd(), Token("Wrong")]
    for event in events:
        turn.emit(event)
    assert (turn.draft, turn.last_said()) == ("Wrong", "Wrong")
    turn.emit(Token("", reset=True))
    assert (turn.draft, turn.last_said()) == ("", "Hello")
    turn.emit(MessageEnd())
    assert turn.last_said() == "Hello"
    assert heard[:5] == events


async def test_what_was_said_in_an_earlier_process_counts_where_nothing_was_said_since() -> None:
    user, agent, tool = Message(Role.USER, "hello"), Message(Role.ASSISTANT, "Let me see."), Message(Role.TOOL, "noon")
    assert RunningTurn(said(user, agent, tool), lambda _: None).last_said() == "Let me see."
    assert RunningTurn(said(user, evolve(agent, content="")), lambda _: None).last_said() == ""


async def test_a_turn_can_be_stopped_until_it_is_committed() -> None:
    turn = RunningTurn(TURN, lambda _: None)
    assert turn.stop()
    assert turn.scope.cancel_called
    late = RunningTurn(TURN, lambda _: None)
    late.is_ending = True
    assert not late.stop()
    assert not late.scope.cancel_called
