from __future__ import annotations

from collections.abc import Mapping

import pytest
from attrs import field, frozen
from attrs.validators import and_, ge, le, matches_re, optional

from xopc.contracts.api.sessions import Direction
from xopc.contracts.convert import spelled
from xopc.contracts.errors import Failure, InvalidValueError
from xopc.server.query import check_once, check_path, read_headers, read_query


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
        ({"limit": "0"}, "?limit: must be 1 to 500"),
        ({"limit": "-5"}, "?limit: must be 1 to 500"),
        ({"limit": "501"}, "?limit: must be 1 to 500"),
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


@frozen
class Names:
    last_event_id: str | None = field(
        default=None, validator=optional(matches_re("[a-z]*")), metadata=spelled("Last-Event-ID")
    )
    accept: str = "*/*"


def test_headers_become_values_whatever_else_there_is() -> None:
    assert read_headers({}, Names) == Names()
    assert read_headers({"last-event-id": "a", "x-odd": "1"}, Names) == Names("a")
    assert read_headers({"last-event-id": "", "accept": "text/html"}, Names) == Names("", "text/html")


def test_a_header_that_is_wrong_is_named_as_it_is_written() -> None:
    with pytest.raises(InvalidValueError) as caught:
        read_headers({"last-event-id": "5"}, Names)
    assert caught.value.message == "Last-Event-ID: must match ^(?:[a-z]*)$"


@pytest.mark.parametrize("text", ["a", "agent:main:webchat:1", "你", "%", "..", " ", "a" * 1024])
def test_a_parameter_of_a_path_may_be_any_text(text: str) -> None:
    check_path({"key": text})


@pytest.mark.parametrize("text", ["", "\0", "a\nb", "\x7f", "\ufffd", "a/b", "a" * 1025, "a\n"])
def test_a_parameter_of_a_path_that_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match=r"^path \{key\}: must have 1 to 1024 characters"):
        check_path({"id": "a", "key": text})


def test_a_known_parameter_that_is_given_twice_is_refused() -> None:
    with pytest.raises(InvalidValueError) as caught:
        check_once([("limit", "5"), ("words", "a"), ("limit", "5")], Search)
    assert caught.value.message == "?limit: is given more than once; send it once, a list with commas"


def test_parameters_that_nobody_knows_may_be_given_as_often_as_one_likes() -> None:
    check_once([("a", "1"), ("a", "2"), ("limit", "1")], Search)
    check_once([("limit", "1"), ("limit", "2")], None)
