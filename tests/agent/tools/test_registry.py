from __future__ import annotations

import re

import pytest

from xopc.agent.tools.base import Tool
from xopc.agent.tools.registry import TOOLS, tools_without


def test_disabled_tools_are_left_out() -> None:
    assert set(tools_without(["current_time", "nothing"])) == {tool.name for tool in TOOLS} - {"current_time"}


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_each_tool_is_described_as_models_need_it(tool: Tool) -> None:
    assert re.fullmatch(r"[a-z_]{1,64}", tool.name)
    assert tool.description.endswith(".")
    assert tool.parameters["type"] == "object"
    assert 0 < tool.timeout_seconds <= 300
