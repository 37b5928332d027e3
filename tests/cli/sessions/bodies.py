"""What the gateway tells of sessions, as JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

KEY = "main:webchat:default:direct:default"


def then(seconds: float) -> str:
    """A time in the past."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def session(key: str = KEY, name: str | None = None, messages: int = 2) -> dict[str, Any]:
    """A session without its messages."""
    return {
        "key": key,
        "name": name,
        "status": "active",
        "tags": [],
        "createdAt": then(7300),
        "updatedAt": then(200),
        "lastAccessedAt": then(200),
        "messageCount": messages,
        "estimatedTokens": 40,
        "compactedCount": 0,
        "sourceChannel": "webchat",
        "sourceChatId": "default",
        "sessionType": "chat",
        "routing": {
            "agentId": "main",
            "source": "webchat",
            "accountId": "default",
            "peerKind": "direct",
            "peerId": "default",
            "threadId": None,
            "scopeId": None,
        },
        "stats": {"messageCount": messages, "tokenCount": 0, "turnCount": 1, "lastTurnAt": then(200)},
        "customData": {},
        "model": None,
    }


def detail(one: dict[str, Any], *messages: dict[str, Any]) -> dict[str, Any]:
    """A session with messages."""
    return {**one, "activeRun": None, "messages": list(messages)}


def message(role: str, content: str, **more: object) -> dict[str, Any]:
    """One message."""
    return {
        "seq": 1,
        "role": role,
        "content": content,
        "timestamp": then(200),
        "tool_call_id": None,
        "tool_calls": [],
        "toolName": None,
        "isError": False,
        "name": None,
        "runId": None,
        "model": None,
        "usage": None,
        **more,
    }
