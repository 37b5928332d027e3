from __future__ import annotations

from tests.fakes.generation import TOKEN, Generation


def test_services_do_not_show_their_secret() -> None:
    assert TOKEN not in repr(Generation().services())
