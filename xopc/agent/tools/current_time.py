"""`current_time`: what time it is, here or elsewhere."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import trio
from attrs import frozen

from xopc.agent.tools.base import TOOL_SECONDS, ToolContext, ToolError
from xopc.contracts.convert import structure


@frozen
class _Arguments:
    timezone: str | None = None


@frozen
class CurrentTime:
    """Tells the time."""

    name: str = "current_time"
    description: str = "The current date and time. Without a time zone it is that of the gateway's host."
    is_repeatable: bool = True
    timeout_seconds: float = TOOL_SECONDS

    @property
    def parameters(self) -> dict[str, Any]:
        zone = {"type": "string", "description": "IANA name of a time zone, such as Europe/Paris"}
        return {"type": "object", "properties": {"timezone": zone}, "additionalProperties": False}

    async def run(self, arguments: dict[str, Any], context: ToolContext) -> str:
        wanted = structure(arguments, _Arguments)
        now = context.now()
        if wanted.timezone is not None:
            now = now.astimezone(await trio.to_thread.run_sync(_zone, wanted.timezone))
        return f"{now:%A}, {now.isoformat(timespec='seconds')} ({now.tzname()})"


def _zone(name: str) -> ZoneInfo:
    """Reads a file of the system."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ToolError(f'no time zone "{name[:64]}" is known here: use an IANA name, such as Europe/Paris') from None
