from __future__ import annotations

import pytest

from tests.fakes.generation import TOKEN, Generation
from xopc.contracts.auth import AuthMode, Scope
from xopc.server.auth import Principal, decide


def test_services_bring_the_door_for_their_authentication() -> None:
    services = Generation().services()
    assert decide(services.credentials, [(b"x-api-key", TOKEN.encode())], {}, Scope.ADMIN) == Principal(
        "token", Scope.ADMIN
    )


def test_services_without_the_secret_that_their_mode_needs_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="password"):
        Generation(secret=None, mode=AuthMode.PASSWORD).services()


def test_services_do_not_show_their_secret() -> None:
    assert TOKEN not in repr(Generation().services())
