"""Asks Telegram who a bot is, and who writes to it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import trio
from attrs import frozen

from xopc.channels.telegram.api import Api, ApiError, UnreachableError, open_api

T = TypeVar("T")

ASK_SECONDS = 20.0
WAIT_SECONDS = 60.0
"""For somebody who has to find the bot in his telephone first."""
POLL_SECONDS = 10
TOKEN = re.compile(r"[0-9]+:[A-Za-z0-9_-]{20,}")
NO_TOKEN = "That is no token of a bot: it looks like 123456789:AAE…, with more behind it."  # noqa: S105 - what is said


@frozen
class Refused:
    """Why Telegram does not say it."""

    what: str
    cure: str
    is_of_token: bool = False
    """Whether another token would help."""


@frozen
class Writer:
    """Somebody who has written to the bot in private."""

    id: str
    name: str


def name_of_bot(root: str, token: str) -> str | Refused:
    """The name of the bot that a token is for, without the `@`. What is no token is not sent to anybody."""
    if not TOKEN.fullmatch(token):
        return Refused(NO_TOKEN, "Copy it again from @BotFather: /token there shows it.", is_of_token=True)

    async def ask(api: Api) -> str | Refused:
        answer = await api.call("getMe", {}, ASK_SECONDS)
        name = cast("dict[str, Any]", answer).get("username") if isinstance(answer, dict) else None
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_]{1,64}", name):
            return Refused(f"What answers at {root} is not Telegram.", "Look at --telegram-api-root.")
        return name

    return _with_api(root, token, ask)


def find_writer(root: str, token: str, seconds: float = WAIT_SECONDS) -> Writer | Refused | None:
    """The last one who has written to the bot in private and is not answered yet; None after `seconds` without any.

    The messages stay there: the gateway answers them when it runs.
    """

    async def ask(api: Api) -> Writer | None:
        with trio.move_on_after(seconds):
            while True:
                parameters = {"timeout": POLL_SECONDS, "allowed_updates": ["message"]}
                updates = await api.call("getUpdates", parameters, POLL_SECONDS + ASK_SECONDS)
                if (writer := _last_writer(updates)) is not None:
                    return writer
                await trio.sleep(0.5)  # what is there and is of no use comes at once, again and again
        return None

    return _with_api(root, token, ask)


def _with_api(root: str, token: str, ask: Callable[[Api], Awaitable[T]]) -> T | Refused:
    async def run() -> T | Refused:
        api = await open_api(root, token)
        try:
            return await ask(api)
        except ApiError as error:
            return _refused(error)
        except UnreachableError as error:
            return Refused(f"{str(error).rstrip('.')}.", "Look at your network, and at --telegram-api-root.")
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await api.aclose()

    return trio.run(run)


def _refused(error: ApiError) -> Refused:
    match error.code:
        case 401 | 404:
            what = "Telegram does not know this token."
            return Refused(
                what, "Copy it again from @BotFather: /token there shows the one in force.", is_of_token=True
            )
        case 409:
            what = f"Another program reads this bot's messages ({error.description})."
            return Refused(what, "Stop that one, or type the id.")
        case _:
            return Refused(f"{error}.", "Try again in a moment.")


def _last_writer(updates: object) -> Writer | None:
    messages = (
        cast("dict[str, Any]", update).get("message")
        for update in (cast("list[object]", updates) if isinstance(updates, list) else ())
        if isinstance(update, dict)
    )
    senders = [
        cast("dict[str, Any]", message["from"])
        for message in (cast("dict[str, Any]", one) for one in messages if isinstance(one, dict))
        if message.get("chat", {}).get("type") == "private" and isinstance(message.get("from"), dict)
    ]
    if not senders or not isinstance(senders[-1].get("id"), int):
        return None
    sender = senders[-1]
    names = [str(sender[key]) for key in ("first_name", "last_name") if sender.get(key)]
    handle = f"@{sender['username']}" if sender.get("username") else ""
    return Writer(str(sender["id"]), " ".join([*names, handle]).strip() or "somebody without a name")
