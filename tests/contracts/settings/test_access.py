from __future__ import annotations

import pytest

from xopc.contracts.auth import Scope
from xopc.contracts.convert import structure
from xopc.contracts.errors import InvalidValueError
from xopc.contracts.settings.access import AccessToken, AuthSettings, ReloadMode, ReloadSettings
from xopc.contracts.settings.file import GatewaySettings

DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def refused(document: object) -> str:
    with pytest.raises(InvalidValueError) as caught:
        structure(document, GatewaySettings)
    return caught.value.message


def test_row_217_the_limiter_may_be_spelled_in_both_dialects() -> None:
    ours = structure({"rateLimit": {"maxAttempts": 3, "windowMs": 60000, "blockDurationMs": 5000}}, AuthSettings)
    theirs = structure({"rateLimit": {"maxAttempts": 3, "windowMs": 60000, "lockoutMs": 5000}}, AuthSettings)
    assert ours == theirs
    assert ours.rate_limit is not None
    assert ours.rate_limit.block_duration_ms == 5000


def test_a_token_names_its_client_and_what_it_may_do() -> None:
    entry = {"name": "ci", "sha256": DIGEST, "scopes": ["operator.read"]}
    auth = structure({"tokens": [entry]}, AuthSettings)
    assert auth.tokens == (AccessToken("ci", DIGEST, (Scope.READ,)),)
    assert DIGEST not in repr(auth)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": ""}, "$.auth.tokens[0].name: must be 1 to 64"),
        ({"name": "a b"}, "$.auth.tokens[0].name"),
        ({"sha256": "a-token-in-clear-text"}, "$.auth.tokens[0].sha256: must be the SHA-256"),
        ({"scopes": []}, "$.auth.tokens[0].scopes: must name a scope"),
        ({"scopes": ["operator.root"]}, "$.auth.tokens[0].scopes[0]: must be one of"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused_with_its_path(change: dict[str, object], path: str) -> None:
    entry = {"name": "ci", "sha256": DIGEST, "scopes": ["operator.read"], **change}
    assert path in refused({"auth": {"tokens": [entry]}})


def test_two_tokens_of_one_name_are_refused() -> None:
    entry = {"name": "ci", "sha256": DIGEST, "scopes": ["operator.read"]}
    assert "names the token ci twice" in refused({"auth": {"tokens": [entry, entry]}})


@pytest.mark.parametrize(
    ("key", "good", "bad", "what"),
    [
        ("corsOrigins", ["*", "https://desk.example.com"], ["desk.example.com"], "its item 0 must be * or an origin"),
        ("allowedHosts", ["*", "gw.example.com", "*.example.net", "[::1]"], ["gw:80"], "its item 0 must be *, a host"),
        ("trustedProxies", ["10.0.0.0/8", "::1"], ["10.0.0.1", "proxy"], "its item 1 must be an IP address"),
        ("trustedProxies", [], ["*"], "its item 0 must be an IP address"),
    ],
)
def test_lists_of_the_door_are_checked_item_by_item(key: str, good: list[str], bad: list[str], what: str) -> None:
    structure({key: good}, GatewaySettings)
    assert f"$.{key}: {what}" in refused({key: bad})


def test_a_change_of_the_file_is_applied_where_it_can_be_unless_told_otherwise() -> None:
    assert GatewaySettings().reload == ReloadSettings(ReloadMode.HYBRID, 300)
    assert "$.reload.mode: must be one of" in refused({"reload": {"mode": "warm"}})
