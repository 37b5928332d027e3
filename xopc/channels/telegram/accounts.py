"""The bots of `channels.telegram`: what is set for each, with what it inherits and the defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from attrs import field, frozen

from xopc.channels.access import EVERYBODY, GroupRule, Policy, normalize
from xopc.contracts.settings.channels import (
    DmPolicy,
    GroupPolicy,
    ReplyToMode,
    TelegramAccountSettings,
    TelegramGroupSettings,
    TelegramSettings,
)

DEFAULT_ACCOUNT = "default"
API_ROOT = "https://api.telegram.org"
TEXT_CHUNK_UNITS = 4000
PREFIXES = ("telegram:", "tg:")

_OWN = frozenset({"enabled", "name", "bot_token", "token_file"})
"""What an account does not inherit."""


@frozen
class Bot:
    """One account."""

    account: str
    enabled: bool
    token: str | None = field(repr=False)
    token_file: str | None
    api_root: str
    policy: Policy
    reply_to_mode: ReplyToMode
    chunk_units: int
    is_paced: bool
    """Sends keep to the limits of Telegram."""
    warnings: tuple[str, ...]
    """What is odd about its settings, a sentence each."""

    @property
    def has_token(self) -> bool:
        """Whether there is a bot, and not settings for one alone."""
        return bool((self.token or "").strip() or self.token_file)


def resolve_bots(settings: TelegramSettings) -> tuple[Bot, ...]:
    """All accounts, the disabled ones too: `default` first, where the channel's own keys or its entry make one."""
    own = settings.accounts.get(DEFAULT_ACCOUNT)
    others = [_bot(id_, entry, settings) for id_, entry in settings.accounts.items() if id_ != DEFAULT_ACCOUNT]
    if own is None and not _has_token(settings) and (others or not settings.enabled):
        return tuple(others)
    default = TelegramAccountSettings() if own is None else own
    return (_bot(DEFAULT_ACCOUNT, _with_channel_token(default, settings), settings), *others)


def _bot(account: str, own: TelegramAccountSettings, channel: TelegramSettings) -> Bot:
    merged = _merged(own, channel)
    wanted = channel.enabled is not False and own.enabled is not False
    enabled = wanted and _has_token(own)
    warnings = list(_policy_warnings(account, merged)) if enabled else []
    if wanted and own.enabled and not enabled:
        warnings.append(f"{_path(account)}: is enabled, but has no token: set botToken or tokenFile")
    return Bot(
        account=account,
        enabled=enabled,
        token=own.bot_token,
        token_file=own.token_file,
        api_root=merged.api_root or API_ROOT,
        policy=_policy(merged),
        reply_to_mode=merged.reply_to_mode or ReplyToMode.FIRST,
        chunk_units=merged.text_chunk_limit or TEXT_CHUNK_UNITS,
        is_paced=merged.pacing is not False,
        warnings=tuple(warnings),
    )


def _has_token(settings: TelegramAccountSettings) -> bool:
    return bool((settings.bot_token or "").strip() or settings.token_file)


def _with_channel_token(own: TelegramAccountSettings, channel: TelegramSettings) -> TelegramAccountSettings:
    """The account `default` is the channel itself, so it has the channel's token where its entry sets none."""
    enabled = channel.enabled if own.enabled is None else own.enabled
    if _has_token(own):
        return attrs.evolve(own, enabled=enabled)
    return attrs.evolve(own, enabled=enabled, bot_token=channel.bot_token, token_file=channel.token_file)


def _merged(own: TelegramAccountSettings, channel: TelegramSettings) -> TelegramAccountSettings:
    """The account's settings, with those of the channel where it has none of its own."""
    names = [attribute.name for attribute in attrs.fields(TelegramAccountSettings) if attribute.name not in _OWN]
    inherited = {name: getattr(channel, name) for name in names if getattr(own, name) is None}
    return attrs.evolve(own, **inherited)


def _policy(settings: TelegramAccountSettings) -> Policy:
    in_groups = normalize(settings.group_allow_from or (), PREFIXES)
    groups = frozenset(id_ for id_ in in_groups if id_.startswith("-"))
    return Policy(
        dm=settings.dm_policy or DmPolicy.PAIRING,
        senders=normalize(settings.allow_from or (), PREFIXES),
        group=settings.group_policy or GroupPolicy.OPEN,
        group_senders=in_groups - groups,
        admitted_groups=groups | (in_groups & {EVERYBODY}),
        groups=_rules(settings.groups or {}),
        require_mention=settings.require_mention is not False,
    )


def _rules(groups: Mapping[str, TelegramGroupSettings]) -> dict[str, GroupRule]:
    return {
        clean: GroupRule(
            enabled=group.enabled,
            require_mention=group.require_mention,
            senders=None if group.allow_from is None else normalize(group.allow_from, PREFIXES),
        )
        for id_, group in groups.items()
        for clean in normalize((id_,), PREFIXES)
    }


def _policy_warnings(account: str, settings: TelegramAccountSettings) -> list[str]:
    policy = _policy(settings)
    path = _path(account)
    warnings: list[str] = []
    if settings.dm_policy is DmPolicy.PAIRING:
        warnings.append(f"{path}.dmPolicy: pairing codes do not exist yet; taken as allowlist")
    if policy.dm in (DmPolicy.PAIRING, DmPolicy.ALLOWLIST) and not policy.senders:
        warnings.append(
            f"{path}.allowFrom: is empty, so nobody can write to this bot in private: add your user id "
            "(the log shows it when you write to the bot), or set dmPolicy to open"
        )
    named = [id_ for id_ in policy.senders | policy.group_senders if id_ != EVERYBODY and not id_.isdecimal()]
    if named:
        names = ", ".join(sorted(named))[:200]
        warnings.append(f"{path}: these entries of allow lists are not ids of users, and match nobody: {names}")
    return warnings


def _path(account: str) -> str:
    return "$.channels.telegram" if account == DEFAULT_ACCOUNT else f"$.channels.telegram.accounts.{account}"
