from __future__ import annotations

import pytest

from xopc.channels.access import GroupRule, Policy
from xopc.channels.telegram.accounts import Bot, resolve_bots
from xopc.contracts.settings.channels import (
    DmPolicy,
    GroupPolicy,
    ReplyToMode,
    TelegramAccountSettings,
    TelegramGroupSettings,
    TelegramSettings,
)


def only(settings: TelegramSettings) -> Bot:
    (bot,) = resolve_bots(settings)
    return bot


def test_nothing_set_is_no_bot() -> None:
    assert resolve_bots(TelegramSettings()) == ()


def test_a_token_alone_makes_a_bot_with_the_defaults() -> None:
    bot = only(TelegramSettings(bot_token="1:a"))
    assert (bot.account, bot.enabled, bot.token) == ("default", True, "1:a")
    assert (bot.api_root, bot.chunk_units, bot.reply_to_mode) == ("https://api.telegram.org", 4000, ReplyToMode.FIRST)
    assert bot.policy == Policy()
    assert (bot.policy.dm, bot.policy.group, bot.policy.require_mention) == (DmPolicy.PAIRING, GroupPolicy.OPEN, True)


def test_a_bot_may_be_switched_off() -> None:
    assert not only(TelegramSettings(bot_token="1:a", enabled=False)).enabled


def test_a_bot_that_is_enabled_without_a_token_is_a_warning() -> None:
    bot = only(TelegramSettings(enabled=True))
    assert not bot.enabled
    assert bot.warnings == ("$.channels.telegram: is enabled, but has no token: set botToken or tokenFile",)


def test_accounts_inherit_all_but_token_and_name() -> None:
    settings = TelegramSettings(
        bot_token="1:a",
        dm_policy=DmPolicy.OPEN,
        api_root="http://127.0.0.1:8081",
        text_chunk_limit=1000,
        accounts={
            "work": TelegramAccountSettings(bot_token="2:b", text_chunk_limit=500, pacing=False),
            "idle": TelegramAccountSettings(),
        },
    )
    default, work, idle = resolve_bots(settings)
    assert (default.token, default.chunk_units, default.is_paced) == ("1:a", 1000, True)
    assert (work.token, work.chunk_units, work.api_root) == ("2:b", 500, "http://127.0.0.1:8081")
    assert work.policy.dm is DmPolicy.OPEN
    assert not work.is_paced
    assert (idle.token, idle.enabled, idle.warnings) == (None, False, ())


def test_the_entry_of_the_default_account_is_the_same_bot() -> None:
    own = TelegramAccountSettings(dm_policy=DmPolicy.OPEN)
    bot = only(TelegramSettings(bot_token="1:a", accounts={"default": own}))
    assert (bot.token, bot.policy.dm) == ("1:a", DmPolicy.OPEN)
    own = TelegramAccountSettings(bot_token="2:b")
    assert only(TelegramSettings(bot_token="1:a", accounts={"default": own})).token == "2:b"


def test_the_channel_switched_off_switches_off_all() -> None:
    settings = TelegramSettings(enabled=False, accounts={"work": TelegramAccountSettings(bot_token="2:b")})
    assert [bot.enabled for bot in resolve_bots(settings)] == [False]


def test_the_channel_switched_on_needs_no_token_of_its_own_beside_accounts() -> None:
    settings = TelegramSettings(enabled=True, accounts={"work": TelegramAccountSettings(bot_token="2:b")})
    assert [(bot.account, bot.enabled) for bot in resolve_bots(settings)] == [("work", True)]


def test_group_entries_are_told_from_users_by_their_sign() -> None:
    bot = only(
        TelegramSettings(
            bot_token="1:a",
            group_policy=GroupPolicy.ALLOWLIST,
            group_allow_from=("tg:7", "-100200", " * "),
            groups={"telegram:-1": TelegramGroupSettings(require_mention=False, allow_from=("8",))},
        )
    )
    assert bot.policy.group_senders == {"7", "*"}
    assert bot.policy.admitted_groups == {"-100200", "*"}
    assert bot.policy.groups == {"-1": GroupRule(require_mention=False, senders=frozenset({"8"}))}


@pytest.mark.parametrize("policy", [None, DmPolicy.PAIRING, DmPolicy.ALLOWLIST])
def test_a_bot_that_nobody_may_write_to_is_a_warning(policy: DmPolicy | None) -> None:
    warnings = only(TelegramSettings(bot_token="1:a", dm_policy=policy)).warnings
    assert "nobody can write to this bot in private" in warnings[-1]


def test_pairing_says_that_it_is_an_allow_list_for_now() -> None:
    bot = only(TelegramSettings(bot_token="1:a", dm_policy=DmPolicy.PAIRING, allow_from=("7",)))
    assert bot.warnings == ("$.channels.telegram.dmPolicy: pairing codes do not exist yet; taken as allowlist",)
    assert only(TelegramSettings(bot_token="1:a", allow_from=("7",))).warnings == ()


def test_a_name_in_an_allow_list_is_a_warning() -> None:
    settings = TelegramSettings(accounts={"work": TelegramAccountSettings(bot_token="1:a", allow_from=("@robin", "7"))})
    (warning,) = only(settings).warnings
    assert warning.startswith("$.channels.telegram.accounts.work: ")
    assert warning.endswith("match nobody: @robin")


def test_the_token_is_not_shown() -> None:
    assert "1:a" not in repr(only(TelegramSettings(bot_token="1:a")))
