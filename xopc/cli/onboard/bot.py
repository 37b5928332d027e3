"""The step that ends with a bot of Telegram that is known there, and with who may write to it."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from attrs import field, frozen

from xopc.channels.telegram.accounts import API_ROOT, resolve_bots
from xopc.cli.onboard.bot_trial import NO_TOKEN, TOKEN, Refused, find_writer, name_of_bot
from xopc.cli.onboard.draft import BotAnswer
from xopc.cli.onboard.guide import Guide
from xopc.cli.onboard.wishes import Secret, SecretMode, Wishes
from xopc.cli.output import one_line
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.settings.channels import DmPolicy

if TYPE_CHECKING:
    from xopc.cli.onboard.present import Present

MAX_NAME_CHARS = 60
VARIABLE = "TELEGRAM_BOT_TOKEN"
"""What many call it."""


class Next(Enum):
    """What to do when Telegram does not know a bot."""

    AGAIN = "Try again"
    TOKEN = "Give another token"  # noqa: S105 - what to do
    NONE = "Go on without it"


def choose_bot(guide: Guide, present: Present, wishes: Wishes, token: Secret | None) -> BotAnswer | None:
    """A bot whose token Telegram knows; None leaves everything as it is.

    Raises:
        XopcError: what the options name does not work, and nobody is there to say otherwise.
    """
    if wishes.skip_telegram:
        guide.say("It stays as it is.")
        return None
    root = root_of(wishes.telegram_api_root, present.settings.channels.telegram.api_root)
    there = _token_there(present)
    if token is None:
        if _wants_another(guide, there):
            token = _from_environment(guide, present, wishes) or first_token(guide, has_one=there is not None)
        elif there is None or not (wishes.telegram_owner or wishes.telegram_api_root):
            if wishes.telegram_owner or wishes.telegram_api_root:
                guide.warn("There is no bot yet that the options of Telegram could be for: give its token.")
            return None
    bot = named(guide, root, token, there)
    if bot is None:
        return None
    telegram = present.settings.channels.telegram
    owners = owners_of(guide, telegram.dm_policy, telegram.allow_from, wishes.telegram_owner, bot)
    return BotAnswer(bot.name, bot.secret, owners, wishes.telegram_api_root)


@frozen
class Named:
    """A bot that said its name."""

    root: str
    name: str
    token: str = field(repr=False)
    secret: Secret | None
    """The token, where it is not the one that is set."""


def named(guide: Guide, root: str, token: Secret | None, there: str | None) -> Named | None:
    """The bot that Telegram knows by this token, or by another one that is asked for; None to go on without it."""
    while True:
        text = token.text if token else there or ""
        name = name_of_bot(root, text)
        if not isinstance(name, Refused):
            guide.say(f"✅ Telegram knows it: @{name}.")
            return Named(root, name, text, token)
        guide.trouble(name.what, name.cure)
        proposed = Next.TOKEN if name.is_of_token else Next.AGAIN
        match guide.choose("What now", [(one, one.value) for one in Next], proposed):
            case Next.AGAIN:
                pass
            case Next.TOKEN:
                token = _ask_token(guide, has_one=there is not None)
            case Next.NONE:
                return None


def first_token(guide: Guide, *, has_one: bool = False) -> Secret | None:
    """The token that is pasted; None for the one that is set."""
    guide.say("1. In Telegram, write /newbot to @BotFather, and answer what it asks.")
    guide.say("2. It gives you a token: paste it here. It is not shown.")
    return _ask_token(guide, has_one=has_one)


def owners_of(
    guide: Guide, policy: DmPolicy | None, known: tuple[str, ...] | None, wished: str | None, bot: Named
) -> tuple[str, ...]:
    """Who may write to it, beside those that are `known`; `wished` is what an option says."""
    if wished is not None:
        try:
            return (_user_id(wished),)
        except ValueError as error:
            raise XopcError(Failure.INVALID_REQUEST, f"--telegram-owner: {error}") from None
    if known or policy is DmPolicy.OPEN:
        return ()
    if not guide.is_attended:
        guide.warn(f"Nobody may write to @{bot.name} yet: give your user id with --telegram-owner.")
        return ()
    guide.say("Only you shall be able to write to it, so it has to know your user id, a number.")
    while True:
        owner = guide.ask("Your user id, or Enter to find it out", _id_or_nothing, option="--telegram-owner")
        owner = owner or _found(guide, bot)
        if owner:
            return (owner,)


def root_of(wished: str | None, configured: str | None) -> str:
    """Where Telegram is: what an option says, else the configuration.

    Raises:
        XopcError: the option is no URL.
    """
    if wished is not None and not re.fullmatch(r"https?://[^\s?#/]+(/[^\s?#]*)?", wished):
        raise XopcError(Failure.INVALID_REQUEST, f"--telegram-api-root: is no URL, such as {API_ROOT}")
    return wished or configured or API_ROOT


def _wants_another(guide: Guide, there: str | None) -> bool:
    if there is None:
        guide.say("A bot of your own lets you write to the assistant from your telephone.")
    question = "Set up a Telegram bot" if there is None else "A Telegram bot is set up. Change it"
    return guide.is_attended and guide.confirm(question, default=False)


def _from_environment(guide: Guide, present: Present, wishes: Wishes) -> Secret | None:
    text = present.environ.get(VARIABLE, "").strip()
    if not text or not guide.confirm(f"Take the token that {VARIABLE} holds", default=True):
        return None
    return Secret(text, VARIABLE if wishes.secret_input_mode is SecretMode.REF else None)


def _token_there(present: Present) -> str | None:
    bots = resolve_bots(present.settings.channels.telegram)
    return next((bot.token for bot in bots if bot.account == "default" and bot.token and bot.token.strip()), None)


def _ask_token(guide: Guide, *, has_one: bool) -> Secret | None:
    def check(answer: str) -> str:
        if has_one and not answer:
            return ""
        if not TOKEN.fullmatch(answer):
            raise ValueError(NO_TOKEN)
        return answer

    question = "The bot's token, or Enter for the one that is set up" if has_one else "The bot's token"
    text = guide.ask_hidden(question, check, option="--telegram-token-stdin")
    return Secret(text) if text else None


def _found(guide: Guide, bot: Named) -> str | None:
    guide.say(f"Write any message to @{bot.name} in Telegram now. Waiting for it, a minute at most …")
    writer = find_writer(bot.root, bot.token)
    if writer is None:
        guide.trouble(
            f"Nobody has written to @{bot.name}.", f"Open https://t.me/{bot.name}, press Start, and try again."
        )
        return None
    if isinstance(writer, Refused):
        guide.trouble(writer.what, writer.cure)
        return None
    shown = f"{one_line(writer.name, MAX_NAME_CHARS)} (id {writer.id})"
    return writer.id if guide.confirm(f"{shown} has written. Is that you", default=True) else None


def _user_id(answer: str) -> str:
    text = answer.strip().removeprefix("tg:").removeprefix("telegram:")
    if not (text.isascii() and text.isdecimal()):
        raise ValueError("A user id is a number, such as 4711; @names change, and do not count.")
    return text


def _id_or_nothing(answer: str) -> str:
    return _user_id(answer) if answer else ""
