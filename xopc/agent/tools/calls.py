"""Runs what a model calls, and gives what came of it as the message that the model is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import structlog
import trio

from xopc.agent.tools.base import Tool, ToolContext, ToolError
from xopc.contracts.errors import InvalidValueError
from xopc.contracts.transcript import Message, Role, ToolCall

MAX_OUTPUT_CHARS = 10_000
KEPT_SHARE = 0.3
"""Of `MAX_OUTPUT_CHARS`, kept of each end of a longer output."""

log = structlog.get_logger("xopc.agent")


async def run_call(call: ToolCall, tools: Mapping[str, Tool], context: ToolContext) -> Message:
    """The result of a call; an error where there is no such tool, the arguments are malformed, or it fails."""
    try:
        text = await _run(call, tools, context)
    except (ToolError, InvalidValueError) as error:
        return _result(call, str(error), is_error=True)
    return _result(call, cut(text), is_error=False)


def arguments_of(call: ToolCall) -> dict[str, Any]:
    """The arguments of a call.

    Raises:
        ToolError: they are no JSON object.
    """
    try:
        arguments: object = json.loads(call.arguments or "{}")
    except ValueError as error:
        raise ToolError(f"The arguments are not JSON ({error}). Call it again with a JSON object.") from None
    if not isinstance(arguments, dict):
        raise ToolError("The arguments are not a JSON object. Call it again with one.")
    return cast("dict[str, Any]", arguments)


def cut(text: str) -> str:
    """`text`, or its two ends where it is too long."""
    if len(text) <= MAX_OUTPUT_CHARS:
        return text
    kept = int(MAX_OUTPUT_CHARS * KEPT_SHARE)
    return f"{text[:kept]}\n[… {len(text) - 2 * kept} characters are left out …]\n{text[-kept:]}"


async def _run(call: ToolCall, tools: Mapping[str, Tool], context: ToolContext) -> str:
    tool = tools.get(call.name)
    if tool is None:
        raise ToolError(f'There is no tool "{call.name[:64]}". There are: {", ".join(tools) or "none"}.')
    arguments = arguments_of(call)
    try:
        with trio.fail_after(tool.timeout_seconds):
            return await tool.run(arguments, context)
    except trio.TooSlowError:
        raise ToolError(f"It took longer than {tool.timeout_seconds:g} s, and was given up.") from None
    except (ToolError, InvalidValueError):
        raise
    except Exception as error:
        log.exception("A tool failed.", tool=call.name, session=context.session_key)
        raise ToolError(f"It failed inside ({type(error).__name__}); calling it again will not help.") from error


def _result(call: ToolCall, text: str, *, is_error: bool) -> Message:
    return Message(Role.TOOL, text, tool_call_id=call.id, tool_name=call.name, is_error=is_error)
