from __future__ import annotations

import pytest

from xopc.contracts.auth import Auth, AuthMode, Scope, SecretSource


@pytest.mark.parametrize(
    ("scope", "included"),
    [
        (Scope.ADMIN, {Scope.ADMIN, Scope.WRITE, Scope.READ}),
        (Scope.WRITE, {Scope.WRITE, Scope.READ}),
        (Scope.READ, {Scope.READ}),
    ],
)
def test_a_scope_includes_those_below_it(scope: Scope, included: set[Scope]) -> None:
    assert {other for other in Scope if scope.includes(other)} == included


def test_the_secret_in_force_is_not_shown() -> None:
    auth = Auth(AuthMode.TOKEN, "a-token-of-the-tests", SecretSource.CONFIG)
    assert "a-token-of-the-tests" not in repr(auth)
    assert "config" in repr(auth)
