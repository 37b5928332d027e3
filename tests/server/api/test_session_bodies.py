from __future__ import annotations

import time

import pytest
from attrs import evolve

from xopc.contracts.api.session_actions import (
    AgentConfig,
    ChannelSessions,
    ReasoningLevel,
    SessionStatistics,
    ThinkingLevel,
    VerboseLevel,
)
from xopc.contracts.api.sessions import SessionMessage, SessionRouting, SessionStats, SessionStatus
from xopc.contracts.keys import SessionType
from xopc.contracts.transcript import Entry, Message, Role, ToolCall, Usage
from xopc.server.api.session_bodies import (
    shown_config,
    shown_detail,
    shown_message,
    shown_session,
    shown_statistics,
)
from xopc.storage.path.sessions import IDLE_SECONDS, Keeping, SessionInfo, SessionSum

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
    last_accessed_at=1795168802.0,
    turn_count=3,
    token_count=20,
    last_turn_at=1795168801.5,
)
TOOL = Message(Role.TOOL, "noon", tool_call_id="c1", tool_name="current_time", is_error=True)
ASSISTANT = Message(
    Role.ASSISTANT, "", tool_calls=(ToolCall("c1", "current_time", "{}"),), model="fake/model", usage=Usage(3, 2)
)


def test_a_session_is_told_with_what_its_key_is_made_of() -> None:
    session = shown_session(INFO)
    assert (session.key, session.name, session.model) == (INFO.key, "Plans", "fake/model")
    assert (session.created_at, session.updated_at) == ("2026-11-20T10:00:00.000Z", "2026-11-20T10:00:01.500Z")
    assert session.last_accessed_at == "2026-11-20T10:00:02.000Z"
    assert session.session_type is SessionType.CHAT
    assert session.stats == SessionStats(7, 20, 3, "2026-11-20T10:00:01.500Z")
    assert (session.message_count, session.estimated_tokens) == (7, 120)
    assert (session.source_channel, session.source_chat_id) == ("telegram", "-100")
    assert session.routing == SessionRouting("main", "telegram", "work", "group", "-100", "4", None)


def test_a_session_in_full_is_the_same_with_its_messages() -> None:
    entries = [Entry(6, ASSISTANT, "r1", 1795168801.0), Entry(7, TOOL, "r1", 1795168801.5)]
    detail = shown_detail(INFO, entries, "r2")
    assert detail.routing == shown_session(INFO).routing
    assert detail.active_run == "r2"
    assert detail.messages == tuple(map(shown_message, entries))
    assert shown_detail(INFO, [], None).messages == ()


@pytest.mark.parametrize(
    ("keeping", "seconds", "status"),
    [
        (Keeping.ACTIVE, 0, SessionStatus.ACTIVE),
        (Keeping.ACTIVE, IDLE_SECONDS + 60, SessionStatus.IDLE),
        (Keeping.PINNED, IDLE_SECONDS + 60, SessionStatus.PINNED),
        (Keeping.ARCHIVED, 0, SessionStatus.ARCHIVED),
    ],
)
def test_an_active_session_is_idle_after_a_day(keeping: Keeping, seconds: float, status: SessionStatus) -> None:
    info = evolve(INFO, keeping=keeping, updated_at=time.time() - seconds)
    assert shown_session(info).status is status


def test_sums_are_told_by_how_sessions_are_kept_and_where_they_are() -> None:
    sums = [
        SessionSum("main", "telegram", Keeping.ACTIVE, 3, 30, 10, 100),
        SessionSum("main", "telegram", Keeping.PINNED, 1, 5, 1, 10),
        SessionSum("coder", "webchat", Keeping.ARCHIVED, 9, 1, 0, 0),
    ]
    assert shown_statistics(sums, 2) == SessionStatistics(
        total=13,
        active=1,
        idle=2,
        archived=9,
        pinned=1,
        messages=36,
        turns=11,
        tokens=110,
        by_channel=(ChannelSessions("webchat", "coder", 9, 1), ChannelSessions("telegram", "main", 4, 35)),
    )


def test_what_a_session_leaves_to_the_agent_is_default() -> None:
    assert shown_config(evolve(INFO, thinking_level="high", model=None)) == AgentConfig(
        ThinkingLevel.HIGH, ReasoningLevel.DEFAULT, VerboseLevel.DEFAULT, "default"
    )


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
