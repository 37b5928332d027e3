from __future__ import annotations

import json

from attrs import evolve

from xopc.contracts.api.session_actions import ExportFormat
from xopc.contracts.session_export import export
from xopc.contracts.transcript import Role, ToolCall
from xopc.server.api.session_examples import SESSION, SESSION_DETAIL

USER = SESSION_DETAIL.messages[0]
CALL = evolve(USER, role=Role.ASSISTANT, content="", tool_calls=(ToolCall("1", "current_time", '{"zone": "UTC"}'),))
RESULT = evolve(USER, role=Role.TOOL, content="```\nnoon", tool_name="current_time", is_error=True)


def test_as_json_it_is_what_the_api_tells_with_all_messages() -> None:
    told = json.loads(export(SESSION, [USER, CALL], ExportFormat.JSON))
    assert (told["key"], told["customData"]) == (SESSION.key, {"colour": "green"})
    assert [message["content"] for message in told["messages"]] == ["Hello", ""]
    assert told["messages"][1]["tool_calls"][0]["name"] == "current_time"


def test_as_markdown_people_can_read_it() -> None:
    ann = evolve(USER, name="Ann\n# Lee")
    assert export(evolve(SESSION, name="My\nlist"), [ann, CALL, RESULT], ExportFormat.MARKDOWN) == (
        "# My list\n\n`main:webchat:default:direct:notes`, since 2026-11-20T10:00:00.000Z\n\n"
        "## user Ann # Lee, 2026-11-20T10:00:00.000Z\n\nHello\n\n"
        '## assistant, 2026-11-20T10:00:00.000Z\n\nCalls `current_time`:\n\n```\n{"zone": "UTC"}\n```\n\n'
        "## tool current_time (failed), 2026-11-20T10:00:00.000Z\n\n````\n```\nnoon\n````\n"
    )


def test_a_session_without_a_name_is_called_by_its_key() -> None:
    assert export(evolve(SESSION, name=None), [], ExportFormat.MARKDOWN).startswith(f"# {SESSION.key}\n\n")
