from __future__ import annotations

import pytest
from attrs import evolve

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


def test_streams_that_are_open_count_on_where_other_services_take_over() -> None:
    before = Generation().services()
    with before.event_streams.take():
        after = evolve(before, open_streams=before.event_streams)
        assert after.event_streams.taken == 1
    assert evolve(before).event_streams.taken == 0
