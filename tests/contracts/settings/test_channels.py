from __future__ import annotations

from typing import Any

import pytest

from xopc.contracts.convert import structure
from xopc.contracts.errors import InvalidValueError
from xopc.contracts.settings.channels import (
    ChannelsSettings,
    DeferMode,
    DmPolicy,
    GroupPolicy,
    ReplyToMode,
    TelegramAccountSettings,
    TelegramGroupSettings,
)
from xopc.contracts.settings.file import GatewaySettings


def test_a_whole_section_is_read() -> None:
    section = {
        "telegram": {
            "botToken": "1:a",
            "dmPolicy": "allowlist",
            "allowFrom": ["7"],
            "groups": {"-1": {"requireMention": False}},
            "replyToMode": "off",
            "accounts": {"work": {"tokenFile": "/run/token"}},
        }
    }
    telegram = structure(section, ChannelsSettings).telegram
    assert (telegram.bot_token, telegram.dm_policy, telegram.allow_from) == ("1:a", DmPolicy.ALLOWLIST, ("7",))
    assert telegram.groups == {"-1": TelegramGroupSettings(require_mention=False)}
    assert telegram.reply_to_mode is ReplyToMode.OFF
    assert telegram.accounts == {"work": TelegramAccountSettings(token_file="/run/token")}
    assert "1:a" not in repr(telegram)


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ({"apiRoot": "api.telegram.org"}, "$.telegram.apiRoot"),
        ({"apiRoot": "ftp://example.com"}, "$.telegram.apiRoot"),
        ({"apiRoot": "https://"}, "$.telegram.apiRoot"),
        ({"apiRoot": "https://[::1"}, "$.telegram.apiRoot"),
        ({"apiRoot": "https://example.com:99999"}, "$.telegram.apiRoot"),
        ({"apiRoot": "https://example.com/?a=b"}, "$.telegram.apiRoot"),
        ({"apiRoot": "https://example.com/a b"}, "$.telegram.apiRoot"),
        ({"textChunkLimit": 99}, "$.telegram.textChunkLimit"),
        ({"textChunkLimit": 4097}, "$.telegram.textChunkLimit"),
        ({"allowFrom": [7]}, "$.telegram.allowFrom[0]"),
        ({"dmPolicy": "all"}, "$.telegram.dmPolicy"),
        ({"groups": {"-1": {"enabled": "yes"}}}, '$.telegram.groups["-1"].enabled'),
        ({"accounts": {"My Bot": {}}}, "$.telegram.accounts"),
        ({"accounts": {"work": {"textChunkLimit": 1}}}, "$.telegram.accounts.work.textChunkLimit"),
        ({"accounts": {"work": {"accounts": {}}}}, "$.telegram.accounts.work.accounts"),
    ],
)
def test_what_cannot_be_is_refused_with_its_path(section: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        structure({"telegram": section}, ChannelsSettings)
    assert [problem.path for problem in caught.value.problems] == [path]


@pytest.mark.parametrize("root", ["https://api.telegram.org", "http://127.0.0.1:8081/", "http://[::1]:8081/bots"])
def test_another_server_may_be_named(root: str) -> None:
    assert TelegramAccountSettings(api_root=root).api_root == root


def test_the_words_are_those_of_the_contract() -> None:
    assert [mode.value for mode in DeferMode] == ["auto", "off", "explicit"]
    assert {policy.value for policy in DmPolicy} == {"pairing", "allowlist", "open", "disabled"}
    assert {policy.value for policy in GroupPolicy} == {"open", "allowlist", "disabled"}
    assert [mode.value for mode in ReplyToMode] == ["off", "first", "all"]


def test_no_more_than_24_channels_may_be_listed() -> None:
    GatewaySettings(channel_connect_defer_ids=("a",) * 24)
    with pytest.raises(ValueError, match="at most 24"):
        GatewaySettings(channel_connect_defer_skip_ids=("a",) * 25)
