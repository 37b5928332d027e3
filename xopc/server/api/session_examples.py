"""What the reference shows of sessions: one invented conversation."""

from __future__ import annotations

from attrs import asdict

from xopc.contracts.api.forget import Forgotten
from xopc.contracts.api.session_actions import (
    AgentConfig,
    ChannelSessions,
    ChatId,
    ChatIds,
    ExportFormat,
    ReasoningLevel,
    SessionExport,
    SessionsPruned,
    SessionStatistics,
    ThinkingLevel,
    VerboseLevel,
)
from xopc.contracts.api.sessions import (
    CustomData,
    Session,
    SessionDetail,
    SessionMessage,
    SessionPage,
    SessionRead,
    SessionRouting,
    SessionStats,
    SessionStatus,
)
from xopc.contracts.keys import SessionType
from xopc.contracts.transcript import Role

_AT = "2026-11-20T10:00:00.000Z"
_KEY = "main:webchat:default:direct:notes"
_RUN = "0f6c2c6e-8f0e-4c55-9a3b-0e3c1c0a7a11"

SESSION = Session(
    key=_KEY,
    name="Shopping",
    status=SessionStatus.ACTIVE,
    tags=("home",),
    created_at=_AT,
    updated_at=_AT,
    last_accessed_at=_AT,
    message_count=1,
    estimated_tokens=11,
    compacted_count=0,
    source_channel="webchat",
    source_chat_id="notes",
    session_type=SessionType.CHAT,
    routing=SessionRouting("main", "webchat", "default", "direct", "notes", None, None),
    stats=SessionStats(message_count=1, token_count=0, turn_count=0, last_turn_at=None),
    custom_data=CustomData({"colour": "green"}),
    model=None,
)
SESSION_DETAIL = SessionDetail(
    **asdict(SESSION, recurse=False),
    active_run=_RUN,
    messages=(
        SessionMessage(
            seq=1,
            role=Role.USER,
            content="Hello",
            timestamp=_AT,
            tool_call_id=None,
            tool_calls=(),
            tool_name=None,
            is_error=False,
            name=None,
            run_id=_RUN,
            model=None,
            usage=None,
        ),
    ),
)
READ = SessionRead(SESSION_DETAIL, limit=50, has_more=False, next_before=None)
SESSION_PAGE = SessionPage((SESSION,), total=12, limit=1, offset=0, has_more=True)
STATISTICS = SessionStatistics(
    total=12,
    active=3,
    idle=7,
    archived=1,
    pinned=1,
    messages=480,
    turns=160,
    tokens=96_000,
    by_channel=(ChannelSessions("telegram", "main", 8, 400), ChannelSessions("webchat", "main", 4, 80)),
)
CHAT_IDS = ChatIds((ChatId("telegram", "123456", "default", "dm", "123456", _AT),), limit=50, offset=0, has_more=False)
AGENT_CONFIG = AgentConfig(ThinkingLevel.HIGH, ReasoningLevel.DEFAULT, VerboseLevel.DEFAULT, "openai/gpt-6-luna")
EXPORT = SessionExport("# Shopping\n\n## user, 2026-11-20T10:00:00.000Z\n\nHello\n", ExportFormat.MARKDOWN)
PRUNED = SessionsPruned(dry_run=True, count=1, keys=(_KEY,))
FORGOTTEN = Forgotten(
    dry_run=True,
    people=("telegram:123456",),
    sessions=("main:telegram:default:dm:123456",),
    shared_sessions=("main:telegram:default:group:-100123",),
    messages=42,
    redacted_messages=6,
    inbox=1,
    outbox=2,
    dedupe_keys=9,
    aborted_runs=0,
)
