from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import trio
from attrs import field, frozen

from xopc.agent.tools.base import Tool, ToolContext, ToolError
from xopc.agent.tools.calls import MAX_OUTPUT_CHARS, arguments_of, cut, run_call
from xopc.contracts.transcript import Message, Role, ToolCall


async def _no_session() -> None:
    await trio.lowlevel.checkpoint()


CONTEXT = ToolContext("main:cli:default:direct:x", "main", "fake/m", lambda: datetime.now(UTC), _no_session)


@frozen
class Sayer:
    """Says its text, or fails with its error, after a while."""

    text: str = ""
    error: Exception | None = None
    seconds: float = 0.0
    name: str = "sayer"
    description: str = ""
    parameters: dict[str, Any] = field(factory=dict[str, Any])
    is_repeatable: bool = True
    timeout_seconds: float = 5.0

    async def run(self, arguments: dict[str, Any], context: ToolContext) -> str:
        await trio.sleep(self.seconds)
        if self.error:
            raise self.error
        return f"{self.text}{arguments or ''}"


async def run(tool: Tool, arguments: str = "{}") -> Message:
    return await run_call(ToolCall("1", "sayer", arguments), {"sayer": tool}, CONTEXT)


async def test_a_result_answers_its_call() -> None:
    assert await run(Sayer("x"), '{"a": 1}') == Message(
        Role.TOOL, "x{'a': 1}", tool_call_id="1", tool_name="sayer", is_error=False
    )


async def test_empty_arguments_are_none() -> None:
    assert (await run(Sayer("x"), "")).content == "x"


async def test_an_error_of_a_tool_is_told_to_the_model() -> None:
    result = await run(Sayer(error=ToolError("No such city.")))
    assert (result.is_error, result.content) == (True, "No such city.")


async def test_a_tool_that_is_broken_does_not_end_the_turn(capsys: pytest.CaptureFixture[str]) -> None:
    result = await run(Sayer(error=ZeroDivisionError("inside")))
    assert result.is_error
    assert result.content == "It failed inside (ZeroDivisionError); calling it again will not help."
    assert "ZeroDivisionError: inside" in capsys.readouterr().out


async def test_a_tool_that_takes_too_long_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    result = await run(Sayer(seconds=6))
    assert (result.is_error, result.content) == (True, "It took longer than 5 s, and was given up.")


async def test_a_long_output_keeps_its_two_ends() -> None:
    result = await run(Sayer("a" * 6000 + "b" * 6000))
    assert result.content == "a" * 3000 + "\n[… 6000 characters are left out …]\n" + "b" * 3000


def test_an_output_that_just_fits_stays() -> None:
    assert cut("x" * MAX_OUTPUT_CHARS) == "x" * MAX_OUTPUT_CHARS


@pytest.mark.parametrize("arguments", ["[]", "3", "null", "{", "{'a': 1}"])
def test_arguments_are_an_object_of_json(arguments: str) -> None:
    with pytest.raises(ToolError, match="Call it again with"):
        arguments_of(ToolCall("1", "sayer", arguments))
