"""The way in: who the bot is, and the loop that reads its updates by long polling.

The offset that confirms updates to Telegram moves only when the inbox has them. A process that dies in between reads
them again, and the inbox knows them by their keys.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, cast

import structlog
import trio
from attrs import define

from xopc.channels.access import Policy
from xopc.channels.backoff import pause_seconds
from xopc.channels.base import ChannelError, Context
from xopc.channels.telegram.api import POLL_CALL_SECONDS, POLL_SECONDS, Api, ApiError, UnreachableError
from xopc.channels.telegram.cursor import Position, read_position, write_position
from xopc.channels.telegram.updates import CHANNEL, BotIdentity, Dropped, identity, read_update, update_id
from xopc.contracts.messages import Inbound
from xopc.storage.path.base import Cursor

CONFLICT_PAUSE_SECONDS = 15.0

log = structlog.get_logger("xopc.channels.telegram")


@define(eq=False)
class Health:
    """How the reading of an account goes."""

    account: str
    connected: bool = False
    error: str | None = None
    on_recovery: Callable[[], None] = lambda: None
    """Called when Telegram answers again."""

    def succeed(self) -> None:
        recovers = self.error is not None
        self.connected, self.error = True, None
        if recovers:
            log.info("Telegram answers again.", account=self.account)
            self.on_recovery()

    def fail(self, error: str) -> None:
        """Tell of an error, in the log once for each that differs from the last."""
        if error != self.error:
            log.warn(f"Telegram's updates cannot be read: {error}", account=self.account)
        self.connected, self.error = False, error


async def connect(api: Api, health: Health) -> BotIdentity:
    """Who the bot is. A webhook, which would keep updates from being polled, is taken away.

    Raises:
        ChannelError: Telegram does not know the token.
        ConnectionError: it failed otherwise, and may work later.
    """
    try:
        bot = identity(health.account, await api.call("getMe", {}))
        await api.call("deleteWebhook", {"drop_pending_updates": False})
    except (ApiError, UnreachableError) as error:
        _give_up_if_refused(error, (401, 404))
        raise ConnectionError(str(error)) from None
    if bot is None:
        raise ConnectionError("Telegram does not say who the bot is: look at apiRoot.")
    health.succeed()
    return bot


async def poll(api: Api, bot: BotIdentity, policy: Policy, context: Context, health: Health) -> NoReturn:
    """Take updates in until cancelled.

    Raises:
        ChannelError: Telegram does not know the token any more.
        Exception: what `context.accept` does; the updates are read again.
    """
    position = read_position(await context.read_cursor(CHANNEL, bot.account), bot.id)
    while True:
        offset = position.offset if position and position.is_fresh(time.time()) else None
        updates = await _next_updates(api, offset, health)
        numbers = [number for update in updates if (number := update_id(update)) is not None]
        if not numbers:
            continue
        read_to = Position(max(numbers) + 1, round(time.time()))
        if inbounds := _heard(updates, bot, policy):
            await context.accept(inbounds, Cursor(CHANNEL, bot.account, write_position(bot.id, read_to)))
        position = read_to


async def _next_updates(api: Api, offset: int | None, health: Health) -> Sequence[object]:
    """The next updates, perhaps none; tried again until Telegram gives them."""
    parameters: Mapping[str, object] = {"timeout": POLL_SECONDS, "allowed_updates": ["message"]}
    if offset is not None:
        parameters = {**parameters, "offset": offset}
    failures = 0
    while True:
        try:
            updates = await api.call("getUpdates", parameters, POLL_CALL_SECONDS)
        except (ApiError, UnreachableError) as error:
            _give_up_if_refused(error, (401,))
            failures += 1
            health.fail(_explained(error))
            await trio.sleep(_pause(error, failures))
        else:
            health.succeed()
            return cast("list[object]", updates) if isinstance(updates, list) else ()


def _pause(error: ApiError | UnreachableError, failures: int) -> float:
    if isinstance(error, ApiError) and error.code == 409:
        return CONFLICT_PAUSE_SECONDS
    if isinstance(error, ApiError) and error.retry_after is not None:
        return error.retry_after
    return pause_seconds(failures)


def _explained(error: ApiError | UnreachableError) -> str:
    if isinstance(error, ApiError) and error.code == 409:
        return f"{error}. Another program reads this bot's messages: stop it, or make a bot of its own for it."
    return str(error)


def _give_up_if_refused(error: ApiError | UnreachableError, codes: tuple[int, ...]) -> None:
    if isinstance(error, ApiError) and error.code in codes:
        cure = "set botToken to the one that @BotFather shows (and look at apiRoot)"
        raise ChannelError(f"{error}. Telegram does not know the bot's token: {cure}.") from None


def _heard(updates: Sequence[object], bot: BotIdentity, policy: Policy) -> list[Inbound]:
    heard: list[Inbound] = []
    for update in updates:
        read = read_update(update, bot, policy)
        if isinstance(read, Inbound):
            heard.append(read)
        else:
            _tell(read, bot.account)
    return heard


def _tell(dropped: Dropped, account: str) -> None:
    tell = log.info if dropped.is_denied else log.debug
    tell(
        "A Telegram message was dropped.",
        account=account,
        reason=dropped.reason,
        chat=dropped.chat,
        sender=dropped.sender,
    )
