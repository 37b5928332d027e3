"""`xopc outbox`: messages on their way to the platforms, and dead letters: those that were given up."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, TypeAlias
from urllib.parse import quote

from cyclopts import App, Parameter

from xopc.cli.answer import read_answer
from xopc.cli.gateway.target import find_target
from xopc.cli.options import MAX_LIMIT, THERE_IS_MORE, ConfigOption, JsonOption, LimitOption
from xopc.cli.outbox_text import describe, summary
from xopc.cli.output import as_typed, fail, fitted, print_json
from xopc.contracts.messages import ErrorClass, OutboxState
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from xopc.client.http import Client, JsonObject

OUTBOUND_PATH = "/api/outbound"
DEAD_LETTERS_PATH = "/api/dead-letters"
TIMEOUT_SECONDS = 10.0
ONE_OR_ALL = "Name a message by its id, or all dead letters with --all."


IdArgument: TypeAlias = Annotated[str, Parameter(help="The message's id, as `xopc outbox list` shows it.")]
OptionalIdArgument: TypeAlias = Annotated[
    str | None, Parameter(help="The message's id, as `xopc outbox list` shows it.")
]
AllOption: TypeAlias = Annotated[bool, Parameter(name="--all", negative=(), help="All dead letters.")]
ChannelOption: TypeAlias = Annotated[str | None, Parameter(help="Only those of this channel.")]
AccountOption: TypeAlias = Annotated[str | None, Parameter(help="Only those of this account.")]
ChatOption: TypeAlias = Annotated[str | None, Parameter(help="Only those to this chat.")]
YesOption: TypeAlias = Annotated[
    bool, Parameter(name="--yes", negative=(), help="With --all: do it. Without, only tell what would be done.")
]
ErrorClassOption: TypeAlias = Annotated[
    ErrorClass | None, Parameter(help="Only those whose last error was of this kind.")
]

app = App(name="outbox", help="Look at messages that wait or could not be sent, and decide about them.")


@app.command(name="list")
def list_messages(
    *,
    state: Annotated[
        tuple[OutboxState, ...],
        Parameter(negative=(), help="Those in this state (default: dead). May be given several times."),
    ] = (OutboxState.DEAD,),
    channel: ChannelOption = None,
    account: AccountOption = None,
    chat: ChatOption = None,
    error_class: ErrorClassOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """List the messages that could not be sent, the newest first."""
    states = ",".join(each.value for each in state)
    query = {"state": states, **_selection(channel, account, chat, error_class)}
    body = _pages(find_target(config).client(TIMEOUT_SECONDS), query, limit)
    if as_json:
        print_json(body)
        return EXIT_OK
    from xopc.contracts.api.outbox import OutboundPage

    page = read_answer(body, OutboundPage)
    if not page.items:
        print(f"No {states.replace(',', ' or ')} messages")
    for message in page.items:
        print(fitted("\n".join(summary(message)), sys.stdout))
    if page.has_more:
        print(THERE_IS_MORE)
    if any(message.state is OutboxState.DEAD for message in page.items):
        print(as_typed("💡 Try one again: xopc outbox retry ID"))
    return EXIT_OK


@app.command
def show(message: IdArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Show all that is known of one message."""
    body = find_target(config).client(TIMEOUT_SECONDS).get(_path(message))
    if as_json:
        print_json(body)
        return EXIT_OK
    from xopc.contracts.api.outbox import OutboundMessage

    print(fitted("\n".join(describe(read_answer(body, OutboundMessage))), sys.stdout))
    return EXIT_OK


@app.command
def retry(
    message: OptionalIdArgument = None,
    /,
    *,
    every: AllOption = False,
    channel: ChannelOption = None,
    account: AccountOption = None,
    chat: ChatOption = None,
    error_class: ErrorClassOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Send a dead message again, as if for the first time; or all of them."""
    selection = _selection(channel, account, chat, error_class)
    if every == (message is not None) or (selection and not every):
        return fail(ONE_OR_ALL, as_json=as_json)
    client = find_target(config).client(TIMEOUT_SECONDS)
    body = client.post(f"{DEAD_LETTERS_PATH}/retry" if message is None else f"{_path(message)}/retry", selection)
    if as_json:
        print_json({"ok": True, **body})
    elif message is None:
        print(f"✅ Messages that are sent again: {body.get('retried')}")
    else:
        print(f"✅ Message is sent again: {message}")
    return EXIT_OK


@app.command
def cancel(message: IdArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Take a message back that waits to be sent."""
    client = find_target(config).client(TIMEOUT_SECONDS)
    if client.get(_path(message)).get("state") == OutboxState.DEAD.value:
        hint = f"To forget it: xopc outbox delete {message}"
        return fail("It was given up, and is not sent any more.", as_json=as_json, hints=[hint])
    return _remove(client, message, as_json=as_json)


@app.command
def delete(
    message: OptionalIdArgument = None,
    /,
    *,
    every: AllOption = False,
    channel: ChannelOption = None,
    account: AccountOption = None,
    chat: ChatOption = None,
    error_class: ErrorClassOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Forget a dead message for good; or all of them."""
    selection = _selection(channel, account, chat, error_class)
    if every == (message is not None) or (selection and not every):
        return fail(ONE_OR_ALL, as_json=as_json)
    client = find_target(config).client(TIMEOUT_SECONDS)
    if message is None and not yes:
        return _tell_dead(client, selection, as_json=as_json)
    if message is None:
        body = client.post(f"{DEAD_LETTERS_PATH}/delete", selection)
        if as_json:
            print_json({"ok": True, **body})
        else:
            print(f"✅ Messages deleted: {body.get('deleted')}")
        return EXIT_OK
    if (state := client.get(_path(message)).get("state")) != OutboxState.DEAD.value:
        hint = f"To take back one that waits: xopc outbox cancel {message}"
        return fail(f"It is no dead letter: it is {state}.", as_json=as_json, hints=[hint])
    return _remove(client, message, as_json=as_json)


def _remove(client: Client, message: str, *, as_json: bool) -> int:
    """Have a message removed, and tell what that was: it may have been given up meanwhile."""
    body = client.delete(_path(message))
    if as_json:
        print_json({"ok": True, **body})
    else:
        print(f"✅ {'Message deleted' if body.get('deleted') else 'Message is not sent'}: {message}")
    return EXIT_OK


def _tell_dead(client: Client, selection: dict[str, str], *, as_json: bool) -> int:
    """Tell how many dead letters there are, and that nothing was done."""
    body = _pages(client, {"state": OutboxState.DEAD.value, **selection}, MAX_LIMIT)
    count, more = len(body["items"]), bool(body.get("hasMore"))
    if as_json:
        print_json({"ok": True, "dryRun": True, "count": count, "hasMore": more})
        return EXIT_OK
    wish = " To do it, add --yes." if count else ""
    things = "dead letter" if count == 1 and not more else "dead letters"
    print(f"{count}{' or more' if more else ''} {things} would be deleted.{wish}")
    return EXIT_OK


def _pages(client: Client, query: dict[str, str], limit: int) -> JsonObject:
    """So many messages, of as many pages as that takes: one of a selection may be short, and not the last."""
    items: list[object] = []
    cursor: str | None = None
    while True:
        body = client.get(OUTBOUND_PATH, {**query, "limit": limit - len(items), "cursor": cursor})
        items += body.get("items", ())
        cursor = body.get("nextCursor")
        if len(items) >= limit or cursor is None:
            return {**body, "items": items, "limit": limit}


def _selection(
    channel: str | None, account: str | None, chat: str | None, error_class: ErrorClass | None
) -> dict[str, str]:
    kind = error_class and error_class.value
    wanted = {"channel": channel, "accountId": account, "chat_id": chat, "errorClass": kind}
    return {key: value for key, value in wanted.items() if value is not None}


def _path(message: str) -> str:
    return f"{OUTBOUND_PATH}/{quote(message, safe='')}"
