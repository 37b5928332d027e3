"""What happens while an agent works, as clients see it: the frames of a run's stream, and the broadcast events."""

from __future__ import annotations

from functools import cached_property
from typing import Any, TypeAlias

from attrs import field, frozen

from xopc.contracts.convert import JsonObject, unstructure
from xopc.contracts.errors import Failure
from xopc.contracts.frames import Frame

CLOSED = "closed"
"""The last event of a stream that is read too slowly."""


@frozen
class RunAccepted:
    """The message is stored: whatever happens, it will be answered."""

    run_id: str
    type: str = "status"
    status: str = "accepted"


@frozen
class Progress:
    """The run came to another stage: thinking, executing, writing or idle."""

    stage: str
    message: str
    type: str = "progress"


@frozen
class Token:
    """More of the visible text; with `reset`, all of it anew."""

    content: str
    reset: bool = False
    type: str = "token"


@frozen
class ToolStart:
    """A tool begins."""

    tool_call_id: str
    tool_name: str
    args: dict[str, Any]
    type: str = "tool_start"


@frozen
class ToolEnd:
    """A tool is done."""

    tool_call_id: str
    tool_name: str
    is_error: bool
    result: str
    type: str = "tool_end"


@frozen
class MessageEnd:
    """One message of the assistant is complete."""

    type: str = "message_end"


@frozen
class RunError:
    """The run failed."""

    content: str
    type: str = "error"


AgentEvent: TypeAlias = RunAccepted | Progress | Token | ToolStart | ToolEnd | MessageEnd | RunError


def payload(event: AgentEvent) -> JsonObject:
    """An event as JSON, as it goes out in a run's stream and in `agent.stream`."""
    whole: JsonObject = unstructure(event)
    if isinstance(event, Token) and not event.reset:
        del whole["reset"]
    if isinstance(event, RunError):
        whole["error"] = {"code": Failure.AGENT_FAILED.code, "message": event.content}
    return {"type": event.type, **whole}


@frozen
class Event:
    """One broadcast event."""

    type: str
    """One of `broadcasts.BROADCASTS`, or `resync`, `shutdown` or `closed`, which are said to one subscriber."""
    data: dict[str, Any]
    """JSON."""
    seq: int = 0
    """Counts from 1 in each boot; the hub gives it."""
    boot_id: str = field(default="", eq=False)

    @property
    def id(self) -> str:
        """What `Hub.subscribe` takes: `<boot id>-<seq>`."""
        return f"{self.boot_id}-{self.seq}"

    @cached_property
    def frame(self) -> Frame:
        """The event in a stream, one for all who are told of it. A farewell has no id: its client comes back with
        that of the last event that it has."""
        return Frame(self.type, self.data, None if self.type == CLOSED else self.id)
