"""`xopc inbox`: messages that wait for their answer, and parked ones: those that were given up."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, TypeAlias
from urllib.parse import quote

from cyclopts import App, Parameter

from xopc.cli.answer import read_answer
from xopc.cli.gateway.target import find_target
from xopc.cli.options import THERE_IS_MORE, ConfigOption, JsonOption, LimitOption
from xopc.cli.output import ago, as_typed, fitted, one_line, print_json
from xopc.contracts.messages import InboxState
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from xopc.contracts.api.inbox import InboxMessage

INBOX_PATH = "/api/inbox"
TIMEOUT_SECONDS = 10.0
MAX_ERROR_CHARS = 200
MAX_CONTENT_CHARS = 80


RunArgument: TypeAlias = Annotated[str, Parameter(help="The id of the message's run, as `xopc inbox list` shows it.")]

app = App(name="inbox", help="Look at messages that could not be answered, and try them again.")


@app.command(name="list")
def list_messages(
    *,
    state: Annotated[InboxState, Parameter(help="Those in this state (default: parked).")] = InboxState.PARKED,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """List the messages that could not be answered, the newest first."""
    query = {"state": state.value, "limit": limit}
    body = find_target(config).client(TIMEOUT_SECONDS).get(INBOX_PATH, query)
    if as_json:
        print_json(body)
        return EXIT_OK
    from xopc.contracts.api.inbox import InboxPage

    page = read_answer(body, InboxPage)
    if not page.items:
        print(f"No {state.value} messages")
    for message in page.items:
        print(fitted("\n".join(_description(message)), sys.stdout))
    if page.has_more:
        print(THERE_IS_MORE)
    if page.items and state is InboxState.PARKED:
        print(as_typed("💡 Try one again: xopc inbox retry RUN"))
    return EXIT_OK


@app.command
def retry(run: RunArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Have a parked message answered, as if it had just come."""
    body = find_target(config).client(TIMEOUT_SECONDS).post(f"{_path(run)}/retry", {})
    if as_json:
        print_json({"ok": True, **body})
    else:
        print(f"✅ Message is answered again: {run}")
    return EXIT_OK


@app.command
def delete(run: RunArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Forget a parked message for good."""
    body = find_target(config).client(TIMEOUT_SECONDS).delete(_path(run))
    if as_json:
        print_json({"ok": True, **body})
    else:
        print(f"✅ Message deleted: {run}")
    return EXIT_OK


def _path(run: str) -> str:
    return f"{INBOX_PATH}/{quote(run, safe='')}"


def _description(message: InboxMessage) -> list[str]:
    attempts = f", {message.attempts} attempt{'' if message.attempts == 1 else 's'}" if message.attempts else ""
    lines = [f"{message.run_id}  {ago(message.accepted_at)}{attempts}"]
    if message.channel is not None:
        place = f"{message.channel}, account {message.account_id}, chat {message.chat_id}"
        thread = f", thread {message.thread_id}" if message.thread_id is not None else ""
        lines.append(f"   From: {one_line(place + thread, MAX_ERROR_CHARS)}")
    lines.append(f"   Session: {one_line(message.session_key, MAX_ERROR_CHARS)}")
    lines.append(f"   Text: {one_line(message.content or 'It cannot be read.', MAX_CONTENT_CHARS)}")
    if message.last_error is not None:
        lines.append(f"   Error: {one_line(message.last_error, MAX_ERROR_CHARS)}")
    return lines
