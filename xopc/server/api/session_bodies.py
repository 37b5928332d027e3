"""Sessions and their messages as the API shows them."""

from __future__ import annotations

import attrs

from xopc.contracts.api_sessions import Session, SessionDetail, SessionMessage, SessionRouting, SessionStatus
from xopc.contracts.transcript import Entry
from xopc.server.api.times import iso_utc
from xopc.storage.path_sessions import SessionInfo


def shown_session(info: SessionInfo) -> Session:
    """A session without its messages."""
    updated = iso_utc(info.updated_at)
    return Session(
        key=info.key,
        name=info.name,
        status=SessionStatus.ACTIVE,
        tags=(),
        created_at=iso_utc(info.created_at),
        updated_at=updated,
        last_accessed_at=updated,
        message_count=info.message_count,
        estimated_tokens=info.estimated_tokens,
        compacted_count=0,
        source_channel=info.source,
        source_chat_id=info.peer_id,
        routing=SessionRouting(
            agent_id=info.agent_id,
            source=info.source,
            account_id=info.account_id,
            peer_kind=info.peer_kind,
            peer_id=info.peer_id,
            thread_id=info.thread_id,
        ),
        model=info.model,
    )


def shown_detail(info: SessionInfo, entries: list[Entry]) -> SessionDetail:
    """A session with some of its messages."""
    session = attrs.asdict(shown_session(info), recurse=False)
    return SessionDetail(**session, messages=tuple(map(shown_message, entries)))


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
