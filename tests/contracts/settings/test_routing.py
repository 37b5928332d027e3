from __future__ import annotations

from typing import Any

import pytest

from xopc.contracts.convert import structure
from xopc.contracts.errors import InvalidValueError
from xopc.contracts.messages import PeerKind
from xopc.contracts.settings.file import Settings
from xopc.contracts.settings.routing import Binding, BindingMatch, DmScope, SessionSettings


def test_by_default_all_private_chats_share_a_session_and_nothing_is_bound() -> None:
    settings = structure({}, Settings)
    assert settings.session == SessionSettings(DmScope.MAIN, {})
    assert settings.bindings == ()


def test_bindings_and_links_are_read() -> None:
    binding = {
        "id": "work",
        "agentId": "coder",
        "priority": 200,
        "enabled": False,
        "match": {"channel": "telegram", "accountId": "work*", "peerKind": "group", "peerId": "-100*", "guildId": "g"},
    }
    session = {"dmScope": "per-peer", "identityLinks": {"robin": ["telegram:42"]}}
    settings = structure({"bindings": [binding], "session": session}, Settings)
    match = BindingMatch("telegram", "work*", PeerKind.GROUP, "-100*", guild_id="g")
    assert settings.bindings == (Binding("coder", match, "work", 200, enabled=False),)
    assert settings.session == SessionSettings(DmScope.PER_PEER, {"robin": ("telegram:42",)})


NOTHING: dict[str, str] = {}


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"session": {"dmScope": "per-person"}}, "$.session.dmScope"),
        ({"session": {"identityLinks": {" ": ["42"]}}}, "$.session.identityLinks"),
        ({"session": {"identityLinks": {"robin": ["42", " "]}}}, "$.session.identityLinks"),
        ({"session": {"identityLinks": {"robin": "42"}}}, "$.session.identityLinks.robin"),
        ({"bindings": [{"match": {"channel": "telegram"}}]}, "$.bindings[0].agentId"),
        ({"bindings": [{"agentId": "coder", "match": NOTHING}]}, "$.bindings[0].match.channel"),
        (
            {"bindings": [{"agentId": "coder", "match": {"channel": "telegram", "peerKind": "crowd"}}]},
            "$.bindings[0].match.peerKind",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(settings: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        structure(settings, Settings)
    assert [problem.path for problem in caught.value.problems] == [path]
