from __future__ import annotations

import pytest

from xopc.contracts.events import (
    AgentEvent,
    MessageEnd,
    Progress,
    RunAccepted,
    RunError,
    Token,
    ToolEnd,
    ToolStart,
    payload,
)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (RunAccepted("r1"), {"type": "status", "status": "accepted", "runId": "r1"}),
        (Progress("idle", "Done"), {"type": "progress", "stage": "idle", "message": "Done"}),
        (Token("Hi"), {"type": "token", "content": "Hi"}),
        (Token("Hi", reset=True), {"type": "token", "content": "Hi", "reset": True}),
        (
            ToolStart("c1", "current_time", {"time_zone": "UTC"}),
            {"type": "tool_start", "toolCallId": "c1", "toolName": "current_time", "args": {"time_zone": "UTC"}},
        ),
        (
            ToolEnd("c1", "current_time", False, "noon"),
            {"type": "tool_end", "toolCallId": "c1", "toolName": "current_time", "isError": False, "result": "noon"},
        ),
        (MessageEnd(), {"type": "message_end"}),
        (
            RunError("no answer"),
            {"type": "error", "content": "no answer", "error": {"code": "AGENT_ERROR", "message": "no answer"}},
        ),
    ],
)
def test_an_event_goes_out_with_its_type_and_camel_case_keys(event: AgentEvent, expected: dict[str, object]) -> None:
    assert payload(event) == expected
    assert next(iter(payload(event))) == "type"
