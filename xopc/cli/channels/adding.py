"""`xopc channels add`: a bot whose token Telegram knows, written down with who may write to it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from xopc.cli.channels.place import DEFAULT_ACCOUNT, AccountOption, ChannelArgument
from xopc.cli.config.changing import tell
from xopc.cli.config.place import open_desk
from xopc.cli.options import ConfigOption, JsonOption
from xopc.contracts.errors import Failure, XopcError
from xopc.core.redact import hides
from xopc_supervisor.contract import EXIT_FAILURE

if TYPE_CHECKING:
    from xopc.cli.onboard.guide import Attended, Unattended
    from xopc.cli.onboard.wishes import Secret, Wishes
    from xopc.contracts.convert import JsonObject
    from xopc.contracts.settings.channels import TelegramSettings


def add(
    channel: ChannelArgument,
    /,
    *,
    account: AccountOption = DEFAULT_ACCOUNT,
    telegram_token_from_env: Annotated[str | None, Parameter(help="The variable that holds the bot's token.")] = None,
    telegram_token_file: Annotated[Path | None, Parameter(help="A file that holds it.")] = None,
    telegram_token_stdin: Annotated[bool, Parameter(help="Read it from standard input, a line.")] = False,
    telegram_owner: Annotated[str | None, Parameter(help="Your Telegram user id, a number: who may write.")] = None,
    telegram_api_root: Annotated[str | None, Parameter(help="A Bot API server other than Telegram's own.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Add a bot. Its token is tried before it is written down.

    At a terminal it asks for what no option says. A running gateway takes the bot by itself.
    """
    from xopc.cli.onboard.guide import Unattended
    from xopc.cli.onboard.wishes import Wishes, read_secrets

    desk = open_desk(config)
    settings = desk.editor.resolved.settings.channels.telegram
    _refuse_another(settings, account)
    wishes = Wishes(
        telegram_token_from_env=telegram_token_from_env,
        telegram_token_file=telegram_token_file,
        telegram_token_stdin=telegram_token_stdin,
        telegram_owner=telegram_owner,
        telegram_api_root=telegram_api_root,
    )
    token = read_secrets(wishes, desk.target.environ).telegram_token
    guide = _guide(is_silent=as_json or telegram_token_stdin)
    if token is None and not guide.is_attended:
        how = "--telegram-token-stdin, --telegram-token-file or --telegram-token-from-env"
        raise XopcError(Failure.INVALID_REQUEST, f"Nobody is asked here, so give the bot's token: {how}.")
    try:
        name, section = _ask(guide, settings, account, wishes, token)
    except (EOFError, KeyboardInterrupt) as error:
        print("\nNothing was changed.", file=sys.stderr)
        if isinstance(error, KeyboardInterrupt):
            raise
        return EXIT_FAILURE
    # What the channel itself has is of every bot that sets nothing else: of this one alone, where it is the only one.
    is_channel = account == DEFAULT_ACCOUNT and not settings.accounts
    patch: JsonObject = section if is_channel else {"accounts": {account: section}}
    edited = desk.editor.change({"channels": {channel: patch}}, hides)
    warnings = [*guide.warnings] if isinstance(guide, Unattended) else []
    if settings.enabled is False:
        warnings.append("Telegram is switched off. Switch it on: xopc config set channels.telegram.enabled true")
    outcome = f"@{name} is {channel}:{account}"
    return tell(desk, edited, outcome, as_json=as_json, warnings=warnings, account=account, name=f"@{name}")


def _guide(*, is_silent: bool) -> Attended | Unattended:
    from xopc.cli.onboard.guide import Attended, Unattended
    from xopc.cli.onboard.terminal import Screen, is_attended

    return Attended(Screen()) if is_attended() and not is_silent else Unattended()


def _refuse_another(settings: TelegramSettings, account: str) -> None:
    from xopc.channels.telegram.accounts import resolve_bots

    if any(bot.account == account and bot.has_token for bot in resolve_bots(settings)):
        what = f"telegram:{account} has a bot. Give another one a name with --account, or first take that one out"
        raise XopcError(Failure.CONFLICT, f"{what}: xopc channels remove telegram --account {account}")


def _ask(
    guide: Attended | Unattended, settings: TelegramSettings, account: str, wishes: Wishes, token: Secret | None
) -> tuple[str, JsonObject]:
    """The name of a bot that Telegram knows, and what is to be written of it."""
    from xopc.channels.telegram.accounts import resolve_bots
    from xopc.cli.onboard.bot import first_token, named, owners_of, root_of
    from xopc.contracts.settings.channels import DmPolicy

    own = settings.accounts.get(account, settings)
    policy, known = own.dm_policy or settings.dm_policy, own.allow_from or settings.allow_from or ()
    root = root_of(wishes.telegram_api_root, own.api_root or settings.api_root)
    bot = named(guide, root, token or first_token(guide), None)
    if bot is None or bot.secret is None:
        raise XopcError(Failure.INVALID_REQUEST, "There is no token that Telegram knows, and nothing was changed.")
    twin = next((one.account for one in resolve_bots(settings) if one.token == bot.token), None)
    if twin is not None:
        what = f"telegram:{twin} is this bot already, and two of them would take its messages from each other."
        raise XopcError(Failure.CONFLICT, f"{what} Make another one at @BotFather.")
    owners = owners_of(guide, policy, known, wishes.telegram_owner, bot)
    section: JsonObject = {"botToken": bot.secret.written}
    if wishes.telegram_api_root is not None:
        section["apiRoot"] = wishes.telegram_api_root
    if own is not settings and own.enabled is False:
        section["enabled"] = True
    if new := [owner for owner in owners if owner not in known]:
        section["allowFrom"] = [*known, *new]
        section |= {} if policy is DmPolicy.OPEN else {"dmPolicy": DmPolicy.ALLOWLIST.value}
    return bot.name, section
