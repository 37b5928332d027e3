"""`xopc channels remove`: a bot that is to answer no longer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from xopc.cli.channels.place import DEFAULT_ACCOUNT, AccountOption, ChannelArgument
from xopc.cli.config.changing import tell
from xopc.cli.config.place import open_desk
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import fitted
from xopc.contracts.errors import Failure, XopcError
from xopc.core.redact import hides

if TYPE_CHECKING:
    from xopc.contracts.convert import JsonObject
    from xopc.contracts.settings.channels import TelegramSettings

_OWN: JsonObject = {"botToken": None, "tokenFile": None, "enabled": None, "name": None}
"""What of `channels.telegram` is of its own bot. The rest is what every bot has that sets nothing else."""


def remove(
    channel: ChannelArgument,
    /,
    *,
    account: AccountOption = DEFAULT_ACCOUNT,
    yes: Annotated[bool, Parameter(name="--yes", negative="", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Take a bot out of the configuration. It asks first, and a running gateway lets go of it by itself.

    Conversations stay.
    """
    desk = open_desk(config)
    settings = desk.editor.resolved.settings.channels.telegram
    _refuse_unknown(settings, account)
    if not yes and not _agreed(account, as_json=as_json):
        what = f"telegram:{account} stays: to take it out without a question, add --yes."
        raise XopcError(Failure.CONFLICT, what)
    patch: JsonObject = {**_OWN} if account == DEFAULT_ACCOUNT else {}
    if settings.enabled is False:
        patch.pop("enabled", None)  # it is of the others, too, and nobody asked that they answer again
    if account in settings.accounts:
        patch["accounts"] = {account: None}
    edited = desk.editor.change({"channels": {channel: patch}}, hides)
    outcome = f"{channel}:{account} is taken out, and its token is no longer"
    return tell(desk, edited, outcome, as_json=as_json, account=account)


def _refuse_unknown(settings: TelegramSettings, account: str) -> None:
    from xopc.channels.telegram.accounts import resolve_bots

    there = [bot.account for bot in resolve_bots(settings) if bot.has_token or bot.account in settings.accounts]
    if account not in there:
        names = ", ".join(f"telegram:{one}" for one in there)
        what = f"There is no telegram:{account}."
        raise XopcError(Failure.NOT_FOUND, f"{what} There is: {names}." if names else f"{what} There is no bot at all.")


def _agreed(account: str, *, as_json: bool) -> bool:
    if as_json or not sys.stdin.isatty():
        return False
    what = f"telegram:{account} will answer nobody. Conversations stay, and so does who may write to a bot."
    print(fitted(what, sys.stdout))
    try:
        return input("Take it out? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
