"""`xopc sessions list`, `show`, `stats` and `chats`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import Parameter

from xopc.cli.answer import read_answer
from xopc.cli.gateway.target import find_target
from xopc.cli.options import THERE_IS_MORE, ConfigOption, JsonOption, LimitOption
from xopc.cli.output import ago, fitted, one_line, print_json, print_table, without_controls
from xopc.cli.sessions.place import SESSIONS_PATH, TIMEOUT_SECONDS, KeyArgument, path_of
from xopc.contracts.api.sessions import SessionStatus
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from xopc.contracts.api.sessions import SessionMessage

MAX_NAME_CHARS = 40
MAX_TOOL_CHARS = 200
"""Of what a tool was given, and of what it gave, which is meant for the model."""

StatusOption: TypeAlias = Annotated[
    list[SessionStatus] | None,
    Parameter(name="--status", negative="", help="Only those: active, idle, archived or pinned; may be repeated."),
]
TagOption: TypeAlias = Annotated[
    list[str] | None, Parameter(name="--tag", negative="", help="Only those with this tag; with all, where repeated.")
]


def list_sessions(
    *,
    channel: Annotated[str | None, Parameter(help="Only those of this channel.")] = None,
    agent_id: Annotated[str | None, Parameter(name="--agent", help="Only those of this agent.")] = None,
    search: Annotated[str | None, Parameter(help="Only those with this in their key or name.")] = None,
    status: StatusOption = None,
    tag: TagOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """List the sessions, the last used one first."""
    query = {
        "channel": channel,
        "agentId": agent_id,
        "search": search,
        "status": ",".join(one.value for one in status or ()) or None,
        "tags": ",".join(tag or ()) or None,
        "limit": limit,
    }
    body = find_target(config).client(TIMEOUT_SECONDS).get(SESSIONS_PATH, query)
    if as_json:
        print_json(body)
        return EXIT_OK
    from xopc.contracts.api.sessions import SessionPage

    page = read_answer(body, SessionPage)
    if not page.items:
        print("No sessions")
        return EXIT_OK
    rows = [
        (
            one.key,
            one.status.value,
            str(one.message_count),
            ago(one.updated_at),
            one_line(one.name or "", MAX_NAME_CHARS),
        )
        for one in page.items
    ]
    print_table(("KEY", "STATUS", "MESSAGES", "LAST USED", "NAME"), rows)
    if page.has_more:
        print(f"{len(page.items)} of {page.total}. See more with --limit.")
    return EXIT_OK


def show(
    key: KeyArgument, /, *, limit: LimitOption = 50, as_json: JsonOption = False, config: ConfigOption = None
) -> int:
    """Show the last messages of a session."""
    body = find_target(config).client(TIMEOUT_SECONDS).get(path_of(key), {"limit": limit})
    if as_json:
        print_json(body)
        return EXIT_OK
    from xopc.contracts.api.sessions import SessionRead

    session = read_answer(body, SessionRead).session
    print(f"📜 {session.key}: {session.message_count} messages, last used {ago(session.updated_at)}")
    if session.name is not None:
        print(f"   {one_line(session.name, MAX_NAME_CHARS)}")
    if session.tags:
        print(f"   Tags: {one_line(', '.join(session.tags), MAX_TOOL_CHARS)}")
    if session.active_run is not None:
        print("   The agent is at work here.")
    for message in session.messages:
        print(f"\n{_speaker(message)}, {ago(message.timestamp)}:")
        print(fitted(_said(message), sys.stdout))
    return EXIT_OK


def stats(*, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Show how many sessions there are, and how much was said in them."""
    body = find_target(config).client(TIMEOUT_SECONDS).get(f"{SESSIONS_PATH}/stats")
    if as_json:
        print_json(body)
        return EXIT_OK
    from xopc.contracts.api.session_actions import SessionStatistics

    all_ = read_answer(body, SessionStatistics)
    print(
        f"{all_.total} sessions: {all_.active} active, {all_.idle} idle, {all_.pinned} pinned, {all_.archived} archived"
    )
    print(f"{all_.messages} messages, {all_.turns} turns, {all_.tokens} tokens")
    if all_.by_channel:
        print()
        rows = [(one.channel, one.agent_id, str(one.sessions), str(one.messages)) for one in all_.by_channel]
        print_table(("CHANNEL", "AGENT", "SESSIONS", "MESSAGES"), rows)
    return EXIT_OK


def chats(
    *,
    channel: Annotated[str | None, Parameter(help="Only those of this channel.")] = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """List the chats that somebody has written from, the last used one first: messages can be sent there."""
    query = {"channel": channel, "limit": limit}
    body = find_target(config).client(TIMEOUT_SECONDS).get(f"{SESSIONS_PATH}/chat-ids", query)
    if as_json:
        print_json(body)
        return EXIT_OK
    from xopc.contracts.api.session_actions import ChatIds

    page = read_answer(body, ChatIds)
    if not page.chat_ids:
        print("No chats")
        return EXIT_OK
    rows = [
        (one.channel, one.account_id, one_line(one.chat_id, MAX_NAME_CHARS), one.peer_kind, ago(one.last_active))
        for one in page.chat_ids
    ]
    print_table(("CHANNEL", "ACCOUNT", "CHAT", "KIND", "LAST USED"), rows)
    if page.has_more:
        print(THERE_IS_MORE)
    return EXIT_OK


def _speaker(message: SessionMessage) -> str:
    name = message.tool_name or message.name
    speaker = f"{message.role.value} {one_line(name, MAX_NAME_CHARS)}" if name else message.role.value
    return f"{speaker} (failed)" if message.is_error else speaker


def _said(message: SessionMessage) -> str:
    if message.tool_name is not None:
        return one_line(message.content, MAX_TOOL_CHARS)
    calls = [one_line(f"⚙ {call.name} {call.arguments}", MAX_TOOL_CHARS) for call in message.tool_calls]
    return "\n".join([without_controls(message.content)] * bool(message.content) + calls)
