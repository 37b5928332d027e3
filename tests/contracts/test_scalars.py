"""What stands for a number, a truth, a text, and what does not."""

from __future__ import annotations

import pytest

from xopc.contracts.limits import MAX_WHOLE
from xopc.contracts.scalars import (
    MismatchError,
    boolean,
    number,
    object_of,
    shape_of,
    text,
    text_or_number_hook,
    whole_number,
)


@pytest.mark.parametrize("value", ["5", True, False, 1.5, float("inf"), float("nan"), None, [], {}])
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(MismatchError, match=r"^must be a whole number, not "):
        whole_number(value, int)


@pytest.mark.parametrize("value", ["5", True, None, float("nan"), float("inf"), 10**400])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(MismatchError, match=r"^must be a number"):
        number(value, float)


@pytest.mark.parametrize(("value", "whole"), [(1.0, 1), (-0.0, 0), (1e3, 1000), (MAX_WHOLE, MAX_WHOLE)])
def test_a_number_without_a_fraction_is_whole_as_in_json_schema(value: float, whole: int) -> None:
    read = whole_number(value, int)
    assert (read, type(read)) == (whole, int)


@pytest.mark.parametrize("value", [MAX_WHOLE + 1, -MAX_WHOLE - 1, 10**400, 1e300])
def test_a_whole_number_that_readers_of_json_would_round_is_refused(value: float) -> None:
    with pytest.raises(MismatchError, match=f"^must be a whole number of at most {MAX_WHOLE}$"):
        whole_number(value, int)


def test_a_whole_number_is_a_number_too() -> None:
    assert (number(2, float), type(number(2, float))) == (2.0, float)


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_only_true_and_false_are_truths(value: object) -> None:
    assert boolean(True, bool)
    with pytest.raises(MismatchError, match=r"^must be true or false, not "):
        boolean(value, bool)


def test_half_a_surrogate_pair_is_no_text() -> None:
    assert text("für", str) == "für"
    with pytest.raises(MismatchError, match="half a surrogate pair"):
        text("\ud800", str)


def test_an_id_may_be_a_whole_number_and_null_where_its_kind_says_so() -> None:
    read = text_or_number_hook(str | int | None)
    assert (read("a", None), read(5.0, None), read(None, None)) == ("a", 5, None)
    with pytest.raises(MismatchError, match="must be a text or a whole number, not null"):
        text_or_number_hook(str | int)(None, None)


@pytest.mark.parametrize(
    ("value", "shape"),
    [(None, "null"), (False, "false"), (7, "a whole number"), ("", "an empty text"), ([], "a list")],
)
def test_a_refused_value_is_not_shown(value: object, shape: str) -> None:
    assert shape_of(value) == shape
    with pytest.raises(MismatchError, match=f"^must be an object, not {shape}$"):
        object_of(value)
