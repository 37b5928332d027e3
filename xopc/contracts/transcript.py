"""What a session remembers: messages of users, of the agent, and of its tools."""

from __future__ import annotations

from enum import Enum

from attrs import frozen


class Role(Enum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


SILENT_REPLIES = frozenset({"NO_REPLY", "HEARTBEAT_OK"})
"""A final text that is one of these is remembered, and shown to nobody."""


@frozen
class ToolCall:
    """The model wants a tool to be run."""

    id: str
    name: str
    arguments: str
    """JSON, as the model wrote it: perhaps malformed."""


@frozen
class Usage:
    """Tokens that a request to a model took."""

    input: int = 0
    output: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.input + other.input, self.output + other.output)


NO_USAGE = Usage()


@frozen
class Message:
    """One entry of a transcript."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    """Of an assistant's message."""
    tool_call_id: str | None = None
    """Of a tool's message: the call that it answers."""
    tool_name: str | None = None
    is_error: bool = False
    """Of a tool's message: the tool failed, or was interrupted."""
    sender: str | None = None
    """Of a user's message in a group: who wrote it."""
    model: str | None = None
    usage: Usage | None = None


@frozen
class Entry:
    """A message in its place in a session."""

    seq: int
    """Counts from 1 in each session."""
    message: Message
    run_id: str | None
    at: float
    """Seconds since the epoch."""


class RunState(Enum):
    """Where a run (one turn of an agent) is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """The model or a tool failed for good; the user was told."""
    ABORTED = "aborted"
    """Somebody stopped it."""
    INTERRUPTED = "interrupted"
    """Its process died, and nobody waited for it any more."""


@frozen
class RunResult:
    """How a run ended."""

    run_id: str
    session_key: str
    state: RunState
    reply: str
    """The final text; partial where the run did not come to its end."""
    model: str | None = None
    usage: Usage = NO_USAGE
    error: str | None = None
    timed_out: bool = False
