from __future__ import annotations

from uuid import RFC_4122, UUID

from hypothesis import given, strategies as st

from xopc.storage.ids import TimeOrderedIds


def test_an_id_is_a_uuid_of_version_7() -> None:
    text = TimeOrderedIds().next(1_700_000_000.123)
    made = UUID(text)
    assert str(made) == text
    assert made.version == 7
    assert made.variant == RFC_4122
    assert made.int >> 80 == 1_700_000_000_123


def test_ids_of_one_millisecond_keep_their_order() -> None:
    ids = TimeOrderedIds()
    made = [ids.next(1_700_000_000) for _ in range(10_000)]
    assert made == sorted(set(made))


@given(st.lists(st.floats(min_value=0, max_value=4e9)))
def test_ids_keep_their_order_when_the_clock_is_set_back(times: list[float]) -> None:
    ids = TimeOrderedIds()
    made = [ids.next(time) for time in times]
    assert made == sorted(set(made))
    assert all(UUID(each).version == 7 and UUID(each).variant == RFC_4122 for each in made)


def test_two_makers_make_different_ids() -> None:
    assert TimeOrderedIds().next(1) != TimeOrderedIds().next(1)
