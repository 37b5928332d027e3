"""`xopc message`: messages to chats, without an agent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

from cyclopts import App, Parameter

from xopc.cli.message_text import TextArgument, read_text
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import fail, print_json
from xopc.cli.reach import may_pass, reach
from xopc.contracts.errors import Failure, XopcError
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xopc.client.http import JsonObject

MESSAGE_PATH = "/api/message"
PATIENCE_SECONDS = 30.0
"""How long a restart of the gateway may take; every attempt has the same key, so that only one message is sent."""

app = App(name="message", help="Send messages to chats.")


def _check_key(_type: object, key: str | None) -> None:
    if key is not None and not (key.isascii() and key.isprintable() and key.strip()):
        raise ValueError("a key is made of printable characters of ASCII, which a header can carry")


@app.command
def send(
    text: TextArgument,
    /,
    *,
    channel: Annotated[str, Parameter(help="The channel, such as telegram.")],
    chat: Annotated[str, Parameter(help="The chat's id, as the channel spells it.")],
    account: Annotated[str | None, Parameter(help="Which account of the channel (default: its default one).")] = None,
    idempotency_key: Annotated[
        str | None,
        Parameter(validator=_check_key, help="Sent once, however often the same is asked for with this key (24 h)."),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Send a message to a chat.

    It is done when the gateway has stored the message: from then on it is delivered, or stands in `xopc outbox list`.
    """
    key = idempotency_key or str(uuid4())
    wanted = {"channel": channel, "chat_id": chat, "content": read_text(text), "accountId": account}
    body = {name: value for name, value in wanted.items() if value is not None}
    try:
        answer = _post(config, body, key)
    except XopcError as error:
        again = f"Ask again without sending it twice: --idempotency-key {key}"
        return fail(error.message, as_json=as_json, hints=[again] if may_pass(error) else [], idempotencyKey=key)
    if as_json:
        print_json({"ok": True, **answer, "idempotencyKey": key})
    else:
        print(f"✅ Message accepted: {answer.get('message_id')}")
    return EXIT_OK


def _post(config: Path | None, body: Mapping[str, str], key: str) -> JsonObject:
    """The gateway's answer, over a restart of it.

    Raises:
        XopcError: it was refused, or nobody answered in time.
    """
    last = XopcError(Failure.UNAVAILABLE, f"No answer within {PATIENCE_SECONDS:g} s.")
    for client in reach(config, PATIENCE_SECONDS):
        try:
            return client.post(MESSAGE_PATH, body, {"Idempotency-Key": key})
        except XopcError as error:
            if not may_pass(error):
                raise
            last = error
    raise last
