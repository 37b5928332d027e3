from __future__ import annotations

import pytest

from xopc.config.sent import MAX_KEY_CHARS, is_same, spelled_out, wrong_key, wrong_value


@pytest.mark.parametrize("key", ["openai", "-1001234567890", "*", "你好", "a b", "a.b", "x" * MAX_KEY_CHARS])
def test_a_key_may_be_any_word(key: str) -> None:
    assert wrong_key(key) is None


@pytest.mark.parametrize(
    "key",
    ["", ".", "..", "../etc/passwd", "a\\b", "a\0", "a\n", "\ud800", "__proto__", "constructor", "x" * 129],
)
def test_a_key_that_means_something_else_to_others_is_refused(key: str) -> None:
    assert wrong_key(key)


@pytest.mark.parametrize("value", ["", "a\nb", "😀", 1, 1.5, None, True])
def test_ordinary_values_are_taken(value: object) -> None:
    assert wrong_value(value) is None


@pytest.mark.parametrize("value", ["a\0b", "\ud800", float("inf"), float("nan")])
def test_what_no_file_can_hold_is_refused(value: object) -> None:
    assert wrong_value(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}), ({"a": 1, "b": 2}, {"b": 2, "a": 1})],
)
def test_values_that_say_the_same_are_the_same(one: object, other: object) -> None:
    assert is_same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (0, False), ("1", 1), ([1], [True]), ([1], [1, 1]), ({"a": 1}, {"b": 1}), ({}, []), (None, "")],
)
def test_values_that_say_something_else_are_not(one: object, other: object) -> None:
    assert not is_same(one, other)


def test_an_object_is_spelled_out_in_the_order_of_its_keys() -> None:
    assert spelled_out({"b": [1], "a": True}) == spelled_out({"a": True, "b": [1]}) == '{"a": true, "b": [1]}'
