from __future__ import annotations

from collections.abc import Mapping

import pytest
from attrs import field, frozen
from attrs.validators import and_, ge, le

from xopc.contracts.api_sessions import Direction
from xopc.contracts.errors import Failure, InvalidValueError
from xopc.server.query import read_query


@frozen
class Search:
    words: str | None = None
    kinds: tuple[str, ...] = ()
    directions: tuple[Direction, ...] = ()
    limit: int = field(default=50, validator=and_(ge(1), le(500)))
    before_seq: int | None = None
    direction: Direction = Direction.DESCENDING


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, Search()),
        ({"unknown": "1", "token": "x"}, Search()),
        ({"words": "10", "limit": "7"}, Search(words="10", limit=7)),
        ({"beforeSeq": "12"}, Search(before_seq=12)),
        ({"kinds": "a, b,,c"}, Search(kinds=("a", "b", "c"))),
        ({"direction": "asc"}, Search(direction=Direction.ASCENDING)),
        ({"limit": "", "words": "", "kinds": ""}, Search()),
    ],
)
def test_texts_become_values(query: Mapping[str, str], expected: Search) -> None:
    assert read_query(query, Search) == expected


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"limit": "many"}, "?limit: must be a whole number, not a text of length 4"),
        ({"limit": "1.5"}, "?limit: must be a whole number, not a text of length 3"),
        ({"limit": "²"}, "?limit: must be a whole number, not a text of length 1"),
        ({"limit": "9" * 5000}, "?limit: must be a whole number, not a text of length 5000"),
        ({"limit": "0"}, "?limit: 'limit' must be >= 1: 0"),
        ({"limit": "-5"}, "?limit: 'limit' must be >= 1: -5"),
        ({"limit": "501"}, "?limit: 'limit' must be <= 500: 501"),
        ({"beforeSeq": "x"}, "?beforeSeq: must be a whole number, not a text of length 1"),
        ({"directions": "asc, up"}, '?directions: must be one of "asc", "desc", not a text of length 2'),
        ({"direction": "up"}, '?direction: must be one of "asc", "desc", not a text of length 2'),
    ],
)
def test_a_parameter_that_is_wrong_is_named(query: Mapping[str, str], message: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        read_query(query, Search)
    assert caught.value.message == message
    assert caught.value.failure is Failure.INVALID_REQUEST


def test_each_wrong_parameter_is_named() -> None:
    with pytest.raises(InvalidValueError) as caught:
        read_query({"limit": "x", "direction": "x"}, Search)
    assert [problem.path for problem in caught.value.problems] == ["?limit", "?direction"]
