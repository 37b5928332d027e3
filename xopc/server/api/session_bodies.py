"""Sessions and their messages as the API shows them."""

from __future__ import annotations

import time

import attrs

from xopc.contracts.api.session_actions import (
    TO_THE_AGENT,
    AgentConfig,
    ChannelSessions,
    ReasoningLevel,
    SessionStatistics,
    ThinkingLevel,
    VerboseLevel,
)
from xopc.contracts.api.sessions import (
    CustomData,
    Session,
    SessionDetail,
    SessionMessage,
    SessionRouting,
    SessionStats,
    SessionStatus,
)
from xopc.contracts.keys import SessionType, parse_key
from xopc.contracts.transcript import Entry
from xopc.server.api.times import iso_utc
from xopc.storage.path.sessions import IDLE_SECONDS, Keeping, SessionInfo, SessionSum

MAX_CHANNELS = 100


def shown_session(info: SessionInfo) -> Session:
    """A session without its messages."""
    key = parse_key(info.key)
    last_turn = None if info.last_turn_at is None else iso_utc(info.last_turn_at)
    return Session(
        key=info.key,
        name=info.name,
        status=_status(info, time.time()),
        tags=info.tags,
        created_at=iso_utc(info.created_at),
        updated_at=iso_utc(info.updated_at),
        last_accessed_at=iso_utc(info.last_accessed_at),
        message_count=info.message_count,
        estimated_tokens=info.estimated_tokens,
        compacted_count=0,
        source_channel=info.source,
        source_chat_id=info.peer_id,
        session_type=key.type if key else SessionType.CHAT,
        routing=SessionRouting(
            agent_id=info.agent_id,
            source=info.source,
            account_id=info.account_id,
            peer_kind=info.peer_kind,
            peer_id=info.peer_id,
            thread_id=info.thread_id,
            scope_id=info.scope_id,
        ),
        stats=SessionStats(info.message_count, info.token_count, info.turn_count, last_turn),
        custom_data=CustomData(info.custom_data),
        model=info.model,
    )


def shown_detail(info: SessionInfo, entries: list[Entry], active_run: str | None) -> SessionDetail:
    """A session with some of its messages."""
    session = attrs.asdict(shown_session(info), recurse=False)
    return SessionDetail(**session, active_run=active_run, messages=tuple(map(shown_message, entries)))


def shown_message(entry: Entry) -> SessionMessage:
    """One message."""
    message = entry.message
    return SessionMessage(
        seq=entry.seq,
        role=message.role,
        content=message.content,
        timestamp=iso_utc(entry.at),
        tool_call_id=message.tool_call_id,
        tool_calls=message.tool_calls,
        tool_name=message.tool_name,
        is_error=message.is_error,
        name=message.sender,
        run_id=entry.run_id,
        model=message.model,
        usage=message.usage,
    )


def shown_config(info: SessionInfo) -> AgentConfig:
    """What a session has chosen for itself."""
    return AgentConfig(
        ThinkingLevel(info.thinking_level or TO_THE_AGENT),
        ReasoningLevel(info.reasoning_level or TO_THE_AGENT),
        VerboseLevel(info.verbose_level or TO_THE_AGENT),
        info.model or TO_THE_AGENT,
    )


def shown_statistics(sums: list[SessionSum], idle: int) -> SessionStatistics:
    """What all sessions come to."""
    kept = {keeping: sum(each.sessions for each in sums if each.keeping is keeping) for keeping in Keeping}
    places: dict[tuple[str, str], list[SessionSum]] = {}
    for each in sums:
        places.setdefault((each.source, each.agent_id), []).append(each)
    channels = [
        ChannelSessions(*place, sum(each.sessions for each in here), sum(each.messages for each in here))
        for place, here in places.items()
    ]
    return SessionStatistics(
        total=sum(kept.values()),
        active=kept[Keeping.ACTIVE] - idle,
        idle=idle,
        archived=kept[Keeping.ARCHIVED],
        pinned=kept[Keeping.PINNED],
        messages=sum(each.messages for each in sums),
        turns=sum(each.turns for each in sums),
        tokens=sum(each.tokens for each in sums),
        by_channel=tuple(sorted(channels, key=lambda channel: -channel.sessions)[:MAX_CHANNELS]),
    )


def _status(info: SessionInfo, now: float) -> SessionStatus:
    if info.keeping is Keeping.ACTIVE and info.updated_at < now - IDLE_SECONDS:
        return SessionStatus.IDLE
    return SessionStatus(info.keeping.value)
