from __future__ import annotations

from typing import Any

import pytest

from xopc.config.sharing import shares_history
from xopc.contracts.convert import structure
from xopc.contracts.settings.file import Settings


def settings(telegram: dict[str, Any], **session: object) -> Settings:
    return structure({"channels": {"telegram": {"botToken": "1:invented", **telegram}}, "session": session}, Settings)


@pytest.mark.parametrize(
    "telegram",
    [
        {"dmPolicy": "open"},
        {"allowFrom": ["1", "2"]},
        {"dmPolicy": "allowlist", "allowFrom": ["*"]},
        {"allowFrom": ["1"], "accounts": {"work": {"botToken": "2:invented", "allowFrom": ["2"]}}},
        {"dmPolicy": "disabled", "accounts": {"work": {"tokenFile": "token", "dmPolicy": "open"}}},
    ],
)
def test_several_people_share_one_history_unless_the_scope_tells_them_apart(telegram: dict[str, Any]) -> None:
    assert shares_history(settings(telegram))
    for scope in ("per-peer", "per-channel-peer", "per-account-channel-peer"):
        assert not shares_history(settings(telegram, dmScope=scope))


@pytest.mark.parametrize(
    ("telegram", "links"),
    [
        ({}, {}),
        ({"allowFrom": ["1", "telegram:1", " TG:1 "]}, {}),
        ({"allowFrom": ["1", "2"]}, {"robin": ["telegram:1", "2"]}),
        ({"dmPolicy": "disabled", "allowFrom": ["1", "2"]}, {}),
        ({"enabled": False, "dmPolicy": "open"}, {}),
        ({"botToken": None, "dmPolicy": "open"}, {}),
        ({"allowFrom": ["1"], "accounts": {"work": {"enabled": False, "botToken": "2:x", "dmPolicy": "open"}}}, {}),
    ],
)
def test_one_person_or_nobody_shares_with_nobody(telegram: dict[str, Any], links: dict[str, list[str]]) -> None:
    assert not shares_history(settings(telegram, identityLinks=links))
