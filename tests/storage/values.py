"""Values of the message path, with invented contents."""

from __future__ import annotations

from xopc.contracts.messages import Address, Inbound, Outbound, PeerKind
from xopc.contracts.transcript import Message, Role, RunState, ToolCall
from xopc.storage.path.base import API_KEY, Acceptance, TurnEnd

KEY = "main:telegram:default:dm:4711"
OTHER_KEY = "main:webchat:default:direct:chat_1"
CHAT = Address("telegram", "default", "4711")
OTHER_CHAT = Address("telegram", "default", "-100123")
DAY_SECONDS = 24 * 3600


def inbound(text: str = "hello", dedupe_key: str | None = None, kind: PeerKind = PeerKind.DM) -> Inbound:
    """A message that came in; its text is its dedupe key, unless there is another."""
    return Inbound(CHAT, kind, "4711", text, dedupe_key or f"test:{text}", sender_name="Ada", message_id="17")


def acceptance(run_id: str, session_key: str = KEY, *, bound: bool = False) -> Acceptance:
    """A message to accept whose text is that of its run's id."""
    return Acceptance(inbound(f"to {run_id}"), session_key, run_id, bound=bound)


def requested(run_id: str, key: str = "key", request: str = "hash") -> Acceptance:
    """A message of a caller who may ask for it again under a key of his."""
    return Acceptance(inbound("please", API_KEY + key), KEY, run_id, deliver=False, request=request)


def said(text: str, *calls: str) -> Message:
    """What the agent says, with the ids of the calls that it makes."""
    return Message(Role.ASSISTANT, text, tuple(ToolCall(call, "current_time", "{}") for call in calls))


def tool_result(call: str, text: str = "noon") -> Message:
    """What a tool answers to a call."""
    return Message(Role.TOOL, text, tool_call_id=call, tool_name="current_time")


def outbound(text: str, address: Address = CHAT) -> Outbound:
    """A message to send."""
    return Outbound(address, text, reply_to="17")


def done(text: str, *answers: Outbound) -> TurnEnd:
    """The end of a turn that went well."""
    return TurnEnd(RunState.DONE, said(text), answers, model="offline/echo")
