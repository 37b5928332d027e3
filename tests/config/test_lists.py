from __future__ import annotations

from typing import Any

import pytest

from xopc.config.lists import Counterparts


def pairs(shown: list[Any], sent: list[Any]) -> list[str | None]:
    """For each item sent the letter of the item that it speaks of."""
    letters = [chr(ord("a") + index) for index in range(len(shown))]
    counterparts = Counterparts(letters, shown, sent)
    found = [counterparts.of(index) for index in range(len(sent))]
    return [None if pair is None else pair[0] for pair in found]


def test_an_item_that_moved_is_found() -> None:
    assert pairs([1, 2, 3], [3, 1, 2]) == ["c", "a", "b"]
    assert pairs([1, 2], [0, 2, 1]) == [None, "b", "a"]


def test_equal_items_are_found_once_each_and_first_at_their_place() -> None:
    assert pairs([1, 1], [1, 1, 1]) == ["a", "b", None]
    assert pairs([2, 1, 1], [1, 1]) == ["c", "b"]


@pytest.mark.parametrize("key", ["id", "name"])
def test_a_changed_item_is_found_by_its_id_or_name(key: str) -> None:
    shown = [{key: "ann", "a": 1}, {key: "bob", "a": 1}]
    assert pairs(shown, [{key: "bob", "a": 2}]) == ["b"]
    assert pairs(shown, [{key: "new", "a": 1}, {key: "bob"}, {key: "ann"}]) == [None, "b", "a"]


def test_two_items_of_one_name_are_taken_in_order() -> None:
    assert pairs([{"id": "a"}, {"id": "a", "x": 1}], [{"id": "a", "x": 2}, {"id": "a", "x": 3}]) == ["a", "b"]


def test_an_object_without_a_name_is_found_at_its_place_in_a_list_of_the_same_length() -> None:
    shown = [{"x": 1}, {"x": 2}]
    assert pairs(shown, [{"x": 1}, {"x": 3}]) == ["a", "b"]
    assert pairs(shown, [{"x": 3}]) == [None]


def test_a_mask_stands_for_what_is_at_its_place_in_a_list_of_the_same_length() -> None:
    assert pairs(["secret", "b"], ["***", "c"]) == ["a", None]
    assert pairs([["secret"]], [["••••••••••••"]]) == ["a"]
    assert pairs(["secret", "b"], ["***"]) == [None]


def test_a_list_that_is_not_shown_as_it_stands_in_the_file_has_no_counterparts() -> None:
    assert Counterparts([], [1], [1]).of(0) is None


def test_a_hundred_thousand_items_take_no_quadratic_time() -> None:
    many = [{"id": str(number)} for number in range(100_000)]
    assert pairs([], many) == [None] * 100_000
    assert Counterparts(many, many, many[::-1]).of(0) == (many[-1], many[-1])
