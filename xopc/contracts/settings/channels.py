"""`channels` in the configuration file: one class for each kind of channel, and what all of them share."""

from __future__ import annotations

import re
from enum import Enum
from urllib.parse import urlsplit

from attrs import field, frozen
from attrs.validators import optional


class DeferMode(Enum):
    """Which channels connect only when the gateway already listens."""

    AUTO = "auto"
    """Those that connect outwards."""
    OFF = "off"
    EXPLICIT = "explicit"


class DmPolicy(Enum):
    """Who may write to the bot in private."""

    PAIRING = "pairing"
    ALLOWLIST = "allowlist"
    OPEN = "open"
    DISABLED = "disabled"


class GroupPolicy(Enum):
    """In which groups the bot answers."""

    OPEN = "open"
    ALLOWLIST = "allowlist"
    DISABLED = "disabled"


class ReplyToMode(Enum):
    """Which parts of an answer quote the message that they answer."""

    OFF = "off"
    FIRST = "first"
    ALL = "all"


def _is_http_url(_: object, __: object, url: str) -> None:
    if not re.fullmatch(r"https?://[^\s?#\x00-\x1f\x7f]+", url) or not _has_host(url):
        raise ValueError("must be a URL such as https://api.telegram.org")


def _has_host(url: str) -> bool:
    try:
        split = urlsplit(url)
        return bool(split.hostname) and split.port != 0
    except ValueError:
        return False


def _is_chunk_limit(_: object, __: object, units: int) -> None:
    if not 100 <= units <= 4096:
        raise ValueError("must be 100 to 4096")


def _are_account_ids(_: object, __: object, accounts: dict[str, TelegramAccountSettings]) -> None:
    for account in accounts:
        if not re.fullmatch(r"[a-z0-9_-]{1,64}", account):
            raise ValueError("an account's id must be 1 to 64 of a-z, 0-9, _ and -")


@frozen
class TelegramGroupSettings:
    """`channels.telegram.groups.<id>`; the id `*` is for all. What is not set comes from `*`, then from above."""

    enabled: bool | None = None
    require_mention: bool | None = None
    allow_from: tuple[str, ...] | None = None
    """Who is heard in this group: ids of users, or `*`."""


@frozen
class TelegramAccountSettings:
    """One bot. What an account of `channels.telegram.accounts` does not set, it has from `channels.telegram`, all but
    the token."""

    enabled: bool | None = None
    """Default: true where there is a token."""
    name: str | None = None
    """For people."""
    bot_token: str | None = field(default=None, repr=False)
    """As @BotFather gave it."""
    token_file: str | None = None
    """The file that holds it, where `botToken` is not set; read at each start of the account."""
    api_root: str | None = field(default=None, validator=optional(_is_http_url))
    """Default: https://api.telegram.org."""
    dm_policy: DmPolicy | None = None
    """Default: pairing."""
    allow_from: tuple[str, ...] | None = None
    """Ids of the users who may write in private, or `*`."""
    group_policy: GroupPolicy | None = None
    """Default: open."""
    group_allow_from: tuple[str, ...] | None = None
    """Ids of the users who are heard in groups, and of groups (they are negative), or `*`."""
    groups: dict[str, TelegramGroupSettings] | None = None
    require_mention: bool | None = None
    """Default: true."""
    reply_to_mode: ReplyToMode | None = None
    """Default: first."""
    text_chunk_limit: int | None = field(default=None, validator=optional(_is_chunk_limit))
    """UTF-16 units of one message. Default: 4000."""
    pacing: bool | None = None
    """Whether messages are sent no faster than Telegram lets through. Default: true."""


@frozen
class TelegramSettings(TelegramAccountSettings):
    """`channels.telegram`: the account `default`, and what the others inherit."""

    accounts: dict[str, TelegramAccountSettings] = field(
        factory=dict[str, TelegramAccountSettings], validator=_are_account_ids
    )


@frozen
class ChannelsSettings:
    """`channels`: where people write to the gateway's agents."""

    telegram: TelegramSettings = TelegramSettings()
