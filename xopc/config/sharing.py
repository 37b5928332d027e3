"""Whether people who do not know each other share one conversation: pure, for the audit."""

from __future__ import annotations

from collections.abc import Iterator

from xopc.contracts.settings.channels import DmPolicy, TelegramAccountSettings, TelegramSettings
from xopc.contracts.settings.file import Settings
from xopc.contracts.settings.routing import DmScope

EVERYBODY = "*"
_PREFIXES = ("telegram:", "tg:")


def shares_history(settings: Settings) -> bool:
    """Whether several people may write in private, and all of them in the one session of `dmScope: main`.

    Ids that `identityLinks` gives to one name are one person.
    """
    if settings.session.dm_scope is not DmScope.MAIN:
        return False
    names = {
        link.strip().lower().removeprefix("telegram:"): name
        for name, links in settings.session.identity_links.items()
        for link in links
    }
    people: set[str] = set()
    for account in _bots(settings.channels.telegram):
        policy = account.dm_policy or settings.channels.telegram.dm_policy
        allowed = account.allow_from if account.allow_from is not None else settings.channels.telegram.allow_from
        if policy is DmPolicy.OPEN:
            return True
        if policy is not DmPolicy.DISABLED:
            people |= {names.get(peer, peer) for peer in map(_bare, allowed or ())}
    return EVERYBODY in people or len(people) > 1


def _bots(channel: TelegramSettings) -> Iterator[TelegramAccountSettings]:
    """The accounts that may run."""
    if channel.enabled is False:
        return
    for account in (channel, *channel.accounts.values()):
        if account.enabled is not False and (account.bot_token or account.token_file):
            yield account


def _bare(peer: str) -> str:
    text = peer.strip().lower()
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    return text
