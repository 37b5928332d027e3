"""A session as a file: JSON for programs, Markdown for people."""

from __future__ import annotations

import json
from collections.abc import Iterable

from xopc.contracts.api.session_actions import ExportFormat
from xopc.contracts.api.sessions import Session, SessionMessage
from xopc.contracts.convert import unstructure
from xopc.contracts.transcript import Role


def export(session: Session, messages: Iterable[SessionMessage], how: ExportFormat) -> str:
    """The text of a session's file; the messages come oldest first."""
    if how is ExportFormat.JSON:
        whole = {**unstructure(session), "messages": [unstructure(message) for message in messages]}
        return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
    head = [f"# {' '.join((session.name or session.key).split())}", f"`{session.key}`, since {session.created_at}"]
    return "\n\n".join([*head, *(_section(message) for message in messages)]) + "\n"


def _section(message: SessionMessage) -> str:
    name = message.tool_name or message.name
    who = f"{message.role.value} {' '.join(name.split())}" if name else message.role.value
    failed = " (failed)" if message.is_error else ""
    text = _fenced(message.content) if message.role is Role.TOOL else message.content
    calls = [f"Calls `{call.name}`:\n\n{_fenced(call.arguments)}" for call in message.tool_calls]
    return "\n\n".join([f"## {who}{failed}, {message.timestamp}", *filter(None, [text, *calls])])


def _fenced(text: str) -> str:
    """What is not prose, in a fence that it does not close."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"
