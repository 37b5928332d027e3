"""The tools that there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xopc.agent.tools.base import Tool
from xopc.agent.tools.current_time import CurrentTime
from xopc.agent.tools.session_status import SessionStatus

TOOLS: tuple[Tool, ...] = (CurrentTime(), SessionStatus())


def tools_without(disabled: Iterable[str], tools: Iterable[Tool] = TOOLS) -> Mapping[str, Tool]:
    """The tools by name, without those of these names."""
    return {tool.name: tool for tool in tools if tool.name not in frozenset(disabled)}
