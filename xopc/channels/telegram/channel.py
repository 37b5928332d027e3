"""Telegram as a channel: its bots, the way in and the way out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import structlog
import trio
from attrs import define, field

from xopc.channels.base import AccountStatus, ChannelError, Context
from xopc.channels.telegram.accounts import TEXT_CHUNK_UNITS, Bot, resolve_bots
from xopc.channels.telegram.api import Api, open_api
from xopc.channels.telegram.format import render
from xopc.channels.telegram.outbound import send_part
from xopc.channels.telegram.polling import Health, connect, poll
from xopc.channels.telegram.updates import CHANNEL
from xopc.config.regular import read_regular
from xopc.contracts.messages import Address, Delivery, Outbound, Retry, Sent
from xopc.contracts.settings.channels import TelegramSettings
from xopc.core.outbox.pacing import Limit

MAX_TOKEN_BYTES = 4096
DISABLED_PAUSE_SECONDS = 300.0
"""Between tries to send by an account that is disabled, unless the settings change before."""
LIMITS = (Limit(at_once=5, seconds=1 / 25),)
"""Of a bot: never more than 30 messages in a second. https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this"""
PERSON_LIMITS = (*LIMITS, Limit(at_once=3, seconds=1.0, per_chat=True))
"""One in a second; short bursts are let through."""
GROUP_LIMITS = (*LIMITS, Limit(at_once=5, seconds=4.0, per_chat=True))
"""Never more than 20 in a minute."""
_TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]+")

log = structlog.get_logger("xopc.channels.telegram")


@define(eq=False)
class _Account:
    """A bot that is set up, and its connection."""

    bot: Bot
    health: Health
    api: Api | None = None
    lock: trio.Lock = field(factory=trio.Lock)
    """Held while `api` is replaced."""


class Telegram:
    """All bots of `channels.telegram`."""

    id = CHANNEL
    is_deferred = True

    def __init__(self, settings: TelegramSettings) -> None:
        self._accounts = {bot.account: _Account(bot, Health(bot.account)) for bot in resolve_bots(settings)}
        self._context: Context

    def accounts(self) -> tuple[str, ...]:
        return tuple(name for name, account in self._accounts.items() if account.bot.enabled)

    def status(self) -> tuple[AccountStatus, ...]:
        return tuple(
            AccountStatus(
                name, enabled=account.bot.enabled, connected=account.health.connected, error=account.health.error
            )
            for name, account in self._accounts.items()
        )

    async def init(self, context: Context) -> None:
        self._context = context
        for name, account in self._accounts.items():
            if context.on_connected is not None:
                account.health.on_recovery = partial(context.on_connected, self.id, name)
            for warning in account.bot.warnings:
                log.warn(warning)

    async def close(self) -> None:
        for account in self._accounts.values():
            if account.api is not None:
                await account.api.aclose()

    async def run_account(self, account: str, *, task_status: trio.TaskStatus[None]) -> None:
        found = self._accounts[account]
        try:
            api = await _api(found, await read_token(found.bot))
            bot = await connect(api, found.health)
            task_status.started()
            await poll(api, bot, found.bot.policy, self._context, found.health)
        finally:
            found.health.connected = False

    def split(self, outbound: Outbound) -> tuple[str, ...]:
        account = self._accounts.get(outbound.address.account)
        units = account.bot.chunk_units if account else TEXT_CHUNK_UNITS
        return render(outbound.text, units) or ("",)

    def limits(self, address: Address) -> Sequence[Limit]:
        account = self._accounts.get(address.account)
        if account is None or not account.bot.is_paced:
            return ()
        return GROUP_LIMITS if address.chat.startswith(("-", "@")) else PERSON_LIMITS

    async def send(self, outbound: Outbound, text: str, *, part: int) -> Delivery:
        account = self._accounts.get(outbound.address.account)
        if account is None or not account.bot.enabled:
            what = f'The Telegram account "{outbound.address.account}" is disabled or not set up in channels.telegram.'
            return Retry(what, DISABLED_PAUSE_SECONDS, whole_account=True, until_changed=True)
        if not text:
            return Sent()
        try:
            # Answers go out whether updates are read or not: before the first connection, and in a drain.
            api = account.api or await _api(account, await read_token(account.bot))
        except (ChannelError, OSError) as error:
            return Retry(str(error), whole_account=True, until_changed=True)
        return await send_part(api, outbound, text, part=part, mode=account.bot.reply_to_mode)


async def _api(account: _Account, token: str) -> Api:
    """The Bot API for the account; a new one where the token is another than before."""
    async with account.lock:
        if account.api is None or account.api.token != token:
            before, account.api = account.api, await open_api(account.bot.api_root, token)
            if before is not None:
                await before.aclose()
        return account.api


async def read_token(bot: Bot) -> str:
    """The bot's token.

    Raises:
        ChannelError: it cannot be one.
        OSError: its file cannot be read.
    """
    source = "botToken"
    token = (bot.token or "").strip()
    if not token and bot.token_file is not None:
        source = f"tokenFile {bot.token_file}"
        token = (await trio.to_thread.run_sync(_read, bot.token_file)).decode(errors="replace").strip()
    if not _TOKEN.fullmatch(token):
        raise ChannelError(f"{source} does not hold a token such as 123456:ABC-DEF, as @BotFather gives it.")
    return token


def _read(path: str) -> bytes:
    return read_regular(Path(path).expanduser(), MAX_TOKEN_BYTES)
