from __future__ import annotations

import pytest

from xopc.channels.telegram.cursor import KEPT_SECONDS, Position, read_position, write_position


def test_a_position_survives_the_way_through_the_storage() -> None:
    position = Position(4712, 1_700_000_000)
    assert read_position(write_position(7, position), 7) == position


def test_a_position_of_another_bot_is_not_used() -> None:
    assert read_position(write_position(8, Position(4712, 0)), 7) is None


@pytest.mark.parametrize("cursor", [None, "", "4712", "[]", "{", '{"bot":7}', '{"bot":7,"offset":"1","at":0}'])
def test_what_is_no_cursor_means_the_beginning(cursor: str | None) -> None:
    assert read_position(cursor, 7) is None


@pytest.mark.parametrize(
    ("age", "fresh"), [(0, True), (KEPT_SECONDS - 1, True), (KEPT_SECONDS, False), (-KEPT_SECONDS, False)]
)
def test_a_position_is_used_for_six_days(age: int, fresh: bool) -> None:
    assert Position(4712, 1_700_000_000).is_fresh(1_700_000_000 + age) is fresh
