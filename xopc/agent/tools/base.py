"""What a tool is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol

from attrs import frozen

from xopc.storage.path.sessions import SessionInfo

TOOL_SECONDS = 30.0
"""How long a tool may take that says nothing else."""


@frozen
class ToolContext:
    """Where, and for whom, a tool runs."""

    session_key: str
    agent_id: str
    model: str
    """The reference of the model that asked."""
    now: Callable[[], datetime]
    """This moment, with a time zone."""
    session: Callable[[], Awaitable[SessionInfo | None]]
    """The session as it stands."""


class ToolError(Exception):
    """A tool could not do what was asked. The message is for the model: why, and what else to try."""


class Tool(Protocol):
    """Something that a model can do."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str:
        """For the model: what it does, and when to use it."""
        ...

    @property
    def parameters(self) -> dict[str, Any]:
        """JSON Schema of its arguments, an object."""
        ...

    @property
    def is_repeatable(self) -> bool:
        """Whether running it twice does no harm, so that it is run again where a restart interrupted it."""
        ...

    @property
    def timeout_seconds(self) -> float: ...

    async def run(self, arguments: dict[str, Any], context: ToolContext) -> str:
        """What came of it, for the model. Never blocks the event loop; may be cancelled.

        Raises:
            ToolError: it could not be done.
            InvalidValueError: the arguments are not what `parameters` says.
        """
        ...
