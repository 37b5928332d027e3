"""`xopc sessions`: what the agents remember."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias
from urllib.parse import quote

from cyclopts import App, Parameter

from xopc.cli.answer import read_answer
from xopc.cli.gateway.target import find_target
from xopc.cli.options import ConfigOption, JsonOption, LimitOption
from xopc.cli.output import ago, one_line, print_json, print_table, without_controls
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from xopc.contracts.api_sessions import SessionMessage

SESSIONS_PATH = "/api/sessions"
TIMEOUT_SECONDS = 10.0
MAX_NAME_CHARS = 40
MAX_TOOL_CHARS = 200
"""Of what a tool was given, and of what it gave, which is meant for the model."""

KeyArgument: TypeAlias = Annotated[str, Parameter(help="The session's key, as `xopc sessions list` shows it.")]

app = App(name="sessions", help="Look at conversations, and forget them.")


@app.command(name="list")
def list_sessions(
    *,
    channel: Annotated[str | None, Parameter(help="Only those of this channel.")] = None,
    agent_id: Annotated[str | None, Parameter(name="--agent", help="Only those of this agent.")] = None,
    search: Annotated[str | None, Parameter(help="Only those with this in their key or name.")] = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """List the sessions, the last used one first."""
    query = {"channel": channel, "agentId": agent_id, "search": search, "limit": limit}
    body = find_target(config).client(TIMEOUT_SECONDS).get(SESSIONS_PATH, query)
    if as_json:
        print_json(body)
        return EXIT_OK
    from xopc.contracts.api_sessions import SessionPage

    page = read_answer(body, SessionPage)
    if not page.items:
        print("No sessions found")
        return EXIT_OK
    rows = [
        (one.key, str(one.message_count), ago(one.updated_at), one_line(one.name or "", MAX_NAME_CHARS))
        for one in page.items
    ]
    print_table(("KEY", "MESSAGES", "LAST USED", "NAME"), rows)
    if page.has_more:
        print(f"{len(page.items)} of {page.total}. See more with --limit.")
    return EXIT_OK


@app.command
def show(
    key: KeyArgument, /, *, limit: LimitOption = 50, as_json: JsonOption = False, config: ConfigOption = None
) -> int:
    """Show the last messages of a session."""
    body = find_target(config).client(TIMEOUT_SECONDS).get(_path(key), {"limit": limit})
    if as_json:
        print_json(body)
        return EXIT_OK
    from xopc.contracts.api_sessions import SessionRead

    session = read_answer(body, SessionRead).session
    print(f"📜 {session.key}: {session.message_count} messages, last used {ago(session.updated_at)}")
    for message in session.messages:
        print(f"\n{_speaker(message)}, {ago(message.timestamp)}:")
        print(_said(message))
    return EXIT_OK


@app.command
def delete(key: KeyArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Forget a session and its messages.

    What an agent is at work on there is stopped first.
    """
    body = find_target(config).client(TIMEOUT_SECONDS).delete(_path(key))
    if as_json:
        print_json({"ok": True, **body})
    else:
        print(f"✅ Session deleted: {key}")
    return EXIT_OK


def _path(key: str) -> str:
    return f"{SESSIONS_PATH}/{quote(key, safe='')}"


def _speaker(message: SessionMessage) -> str:
    name = message.tool_name or message.name
    speaker = f"{message.role.value} {one_line(name, MAX_NAME_CHARS)}" if name else message.role.value
    return f"{speaker} (failed)" if message.is_error else speaker


def _said(message: SessionMessage) -> str:
    if message.tool_name is not None:
        return one_line(message.content, MAX_TOOL_CHARS)
    calls = [one_line(f"⚙ {call.name} {call.arguments}", MAX_TOOL_CHARS) for call in message.tool_calls]
    return "\n".join([without_controls(message.content)] * bool(message.content) + calls)
