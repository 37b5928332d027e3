from __future__ import annotations

import pytest

from xopc.config.findings import Findings
from xopc.config.tailscale import check_tailscale, users_of
from xopc.contracts.auth import Auth, AuthMode
from xopc.contracts.settings.access import AuthSettings
from xopc.contracts.settings.file import GatewaySettings

USERS = ("amy@example.com",)


def findings_of(
    *, allow: bool, users: tuple[str, ...] = USERS, proxies: tuple[str, ...] = (), mode: AuthMode = AuthMode.TOKEN
) -> Findings:
    findings = Findings()
    auth = AuthSettings(allow_tailscale=allow, tailscale_users=users)
    check_tailscale(GatewaySettings(auth=auth, trusted_proxies=proxies), Auth(mode), findings)
    return findings


def test_named_users_may_come_in() -> None:
    assert findings_of(allow=True) == Findings()
    assert findings_of(allow=False, users=()) == Findings()
    assert findings_of(allow=True, proxies=("10.0.0.0/8",)) == Findings()


def test_users_are_known_whatever_their_case_and_only_where_they_may() -> None:
    assert users_of(AuthSettings(allow_tailscale=True, tailscale_users=("Amy@Example.com",))) == {"amy@example.com"}
    assert users_of(AuthSettings(tailscale_users=USERS)) == frozenset()


def test_without_a_user_it_is_refused() -> None:
    [problem] = findings_of(allow=True, users=()).problems
    assert problem.path == "$.gateway.auth.allowTailscale"
    assert "lets in nobody" in problem.what


@pytest.mark.parametrize("proxy", ["127.0.0.1", "127.0.0.0/8", "::1", "0.0.0.0/0", "::/0"])
def test_with_a_proxy_at_this_machine_it_is_refused(proxy: str) -> None:
    [problem] = findings_of(allow=True, proxies=(proxy,)).problems
    assert "could pass on anybody's claim" in problem.what


def test_what_is_not_used_is_told() -> None:
    assert "allowTailscale is not true" in findings_of(allow=False).warnings[0]
    assert "the mode is none" in findings_of(allow=True, mode=AuthMode.NONE).warnings[0]


@pytest.mark.parametrize("login", ["", "amy", "*", "*@example.com", "amy@example.com,ben@example.com", "a b@c"])
def test_a_login_is_an_address(login: str) -> None:
    with pytest.raises(ValueError, match="its item 0 must be a login of the tailnet"):
        AuthSettings(tailscale_users=(login,))
