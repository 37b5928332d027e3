from __future__ import annotations

from xopc.contracts.api_sessions import SessionMessage, SessionRouting
from xopc.contracts.transcript import Entry, Message, Role, ToolCall, Usage
from xopc.server.api.session_bodies import shown_detail, shown_message, shown_session
from xopc.storage.path_sessions import SessionInfo

INFO = SessionInfo(
    key="main:telegram:work:group:-100:thread:4",
    agent_id="main",
    source="telegram",
    account_id="work",
    peer_kind="group",
    peer_id="-100",
    thread_id="4",
    created_at=1795168800.0,
    updated_at=1795168801.5,
    message_count=7,
    estimated_tokens=120,
    name="Plans",
    model="fake/model",
)
TOOL = Message(Role.TOOL, "noon", tool_call_id="c1", tool_name="current_time", is_error=True)
ASSISTANT = Message(
    Role.ASSISTANT, "", tool_calls=(ToolCall("c1", "current_time", "{}"),), model="fake/model", usage=Usage(3, 2)
)


def test_a_session_is_told_with_what_its_key_is_made_of() -> None:
    session = shown_session(INFO)
    assert (session.key, session.name, session.model) == (INFO.key, "Plans", "fake/model")
    assert (session.created_at, session.updated_at) == ("2026-11-20T10:00:00.000Z", "2026-11-20T10:00:01.500Z")
    assert session.last_accessed_at == session.updated_at
    assert (session.message_count, session.estimated_tokens) == (7, 120)
    assert (session.source_channel, session.source_chat_id) == ("telegram", "-100")
    assert session.routing == SessionRouting("main", "telegram", "work", "group", "-100", "4")


def test_a_session_in_full_is_the_same_with_its_messages() -> None:
    entries = [Entry(6, ASSISTANT, "r1", 1795168801.0), Entry(7, TOOL, "r1", 1795168801.5)]
    detail = shown_detail(INFO, entries)
    assert detail.routing == shown_session(INFO).routing
    assert detail.messages == tuple(map(shown_message, entries))
    assert shown_detail(INFO, []).messages == ()


def test_a_message_is_told_with_what_belongs_to_its_role() -> None:
    assert shown_message(Entry(7, TOOL, "r1", 1795168801.5)) == SessionMessage(
        seq=7,
        role=Role.TOOL,
        content="noon",
        timestamp="2026-11-20T10:00:01.500Z",
        tool_call_id="c1",
        tool_calls=(),
        tool_name="current_time",
        is_error=True,
        name=None,
        run_id="r1",
        model=None,
        usage=None,
    )
    said = shown_message(Entry(6, ASSISTANT, None, 1795168801.0))
    assert (said.tool_calls, said.model, said.usage) == (ASSISTANT.tool_calls, "fake/model", Usage(3, 2))
    ann = Message(Role.USER, "Hello", sender="Ann")
    assert shown_message(Entry(1, ann, None, 0.0)).name == "Ann"
