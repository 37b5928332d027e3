"""`xopc outbox`: messages on their way to the platforms, and dead letters: those that were given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias
from urllib.parse import quote

from cyclopts import App, Parameter

from xopc.cli.answer import read_answer
from xopc.cli.gateway.target import find_target
from xopc.cli.options import ConfigOption, JsonOption, LimitOption
from xopc.cli.output import ago, one_line, print_json
from xopc.contracts.messages import OutboxState
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from xopc.contracts.api_outbox import OutboundMessage

OUTBOUND_PATH = "/api/outbound"
TIMEOUT_SECONDS = 10.0
MAX_ERROR_CHARS = 200
MAX_CONTENT_CHARS = 80


IdArgument: TypeAlias = Annotated[str, Parameter(help="The message's id, as `xopc outbox list` shows it.")]

app = App(name="outbox", help="Look at messages that could not be sent, and try them again.")


@app.command(name="list")
def list_messages(
    *,
    state: Annotated[OutboxState, Parameter(help="Those in this state (default: dead).")] = OutboxState.DEAD,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """List the messages that could not be sent, the newest first."""
    query = {"state": state.value, "limit": limit}
    body = find_target(config).client(TIMEOUT_SECONDS).get(OUTBOUND_PATH, query)
    if as_json:
        print_json(body)
        return EXIT_OK
    from xopc.contracts.api_outbox import OutboundPage

    page = read_answer(body, OutboundPage)
    if not page.items:
        print(f"No {state.value} messages")
    for message in page.items:
        print("\n".join(_description(message)))
    if page.has_more:
        print("There are more. See them with --limit.")
    if page.items and state is OutboxState.DEAD:
        print("💡 Try one again: xopc outbox retry ID")
    return EXIT_OK


@app.command
def retry(message: IdArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Send a dead message again, as if for the first time."""
    body = find_target(config).client(TIMEOUT_SECONDS).post(f"{_path(message)}/retry", {})
    if as_json:
        print_json({"ok": True, **body})
    else:
        print(f"✅ Message is sent again: {message}")
    return EXIT_OK


@app.command
def delete(message: IdArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Forget a dead message for good."""
    body = find_target(config).client(TIMEOUT_SECONDS).delete(_path(message))
    if as_json:
        print_json({"ok": True, **body})
    else:
        print(f"✅ Message deleted: {message}")
    return EXIT_OK


def _path(message: str) -> str:
    return f"{OUTBOUND_PATH}/{quote(message, safe='')}"


def _description(message: OutboundMessage) -> list[str]:
    place = f"{message.channel}, account {message.account_id}, chat {message.chat_id}"
    thread = f", thread {message.thread_id}" if message.thread_id is not None else ""
    attempts = f"{message.attempts} attempt{'' if message.attempts == 1 else 's'}"
    lines = [
        f"{message.id}  {ago(message.created_at)}, {attempts}",
        f"   To: {one_line(place + thread, MAX_ERROR_CHARS)}",
        f"   Text: {one_line(message.content, MAX_CONTENT_CHARS)}",
    ]
    if message.last_error is not None:
        lines.append(f"   Error: {one_line(message.last_error, MAX_ERROR_CHARS)}")
    if message.possible_duplicate:
        lines.append("   It may have arrived: the gateway died while it was being sent.")
    return lines
