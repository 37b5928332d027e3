from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from xopc.contracts.api.paging import cursor_of, place_of
from xopc.contracts.errors import InvalidValueError

PLACES = st.lists(
    st.integers(0, 2**53) | st.floats(0, 2**40).filter(lambda number: "e" not in repr(number)), min_size=1, max_size=3
)


@given(PLACES)
def test_a_cursor_is_the_place_that_it_was_made_of(place: list[float]) -> None:
    assert place_of(cursor_of("a-list", *place), "a-list", len(place)) == tuple(place)


def test_without_a_cursor_there_is_no_place() -> None:
    assert place_of(None, "a-list", 2) is None


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "a",
        "7_1",
        "b_1_2",
        *(f"a_{place}" for place in ("7", "1_2_3", "1_-2", "1_2e9", "1_", "1_.5", "nan_1", "1_" + "9" * 19, "1_१")),
    ],
)
def test_what_is_no_cursor_of_a_list_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidValueError, match=r"\?cursor: is none of this list: it is nextCursor of the page before"):
        place_of(cursor, "a", 2)
