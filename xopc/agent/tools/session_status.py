"""`session_status`: the conversation, seen from outside."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from xopc.agent.tools.base import TOOL_SECONDS, ToolContext
from xopc.contracts.convert import structure


@frozen
class _NoArguments:
    pass


@frozen
class SessionStatus:
    """Tells which session, agent and model this is, and how long the conversation has become."""

    name: str = "session_status"
    description: str = "Which session, agent and model this is, and how long the conversation has become."
    is_repeatable: bool = True
    timeout_seconds: float = TOOL_SECONDS

    @property
    def parameters(self) -> dict[str, Any]:
        return {"type": "object", "properties": {}, "additionalProperties": False}

    async def run(self, arguments: dict[str, Any], context: ToolContext) -> str:
        structure(arguments, _NoArguments)
        return await session_status(context)


async def session_status(context: ToolContext) -> str:
    """The lines that `/status` and the tool show."""
    lines = [f"Agent: {context.agent_id}", f"Model: {context.model}", f"Session: {context.session_key}"]
    session = await context.session()
    if session is not None:
        lines.append(f"Messages: {session.message_count} (about {session.estimated_tokens} tokens)")
    lines.append(f"Time: {context.now().isoformat(timespec='seconds')}")
    return "\n".join(lines)
