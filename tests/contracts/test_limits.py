from __future__ import annotations

import re
import sys

import pytest
from attrs.validators import and_, ge, le, matches_re, max_len, min_len, optional

from xopc.contracts.limits import ID, NAME, PATH_TEXT, VISIBLE, Text, in_words, limits_of


def test_what_is_visible_to_a_schema_is_what_strip_leaves() -> None:
    blank = [chr(point) for point in range(sys.maxunicode + 1) if not re.match(VISIBLE, chr(point))]
    assert blank == [chr(point) for point in range(sys.maxunicode + 1) if chr(point).isspace()]


@pytest.mark.parametrize("value", ["a", " a ", "\x00", "\u200b", "a" * 256, 5, None])
def test_an_id_is_a_text_that_says_something_or_no_text_at_all(value: object) -> None:
    ID(None, None, value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "must have 1 to 256 characters"),
        ("a" * 257, "must have 1 to 256 characters"),
        (" \t\u2003", "must have 1 to 256 characters, and not blanks alone"),
    ],
)
def test_a_text_that_is_no_id_is_told_why(value: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        ID(None, None, value)


def test_a_name_may_be_empty() -> None:
    assert NAME.takes("")
    assert NAME.takes(" ")
    assert not NAME.takes("a" * 257)


@pytest.mark.parametrize("text", ["a", "\x00", " ", "", "ab", "abc", "\x1f", "\ufeff"])
def test_the_limits_take_what_the_validator_takes(text: str) -> None:
    limits = Text(1, 2).limits
    fits = limits["minLength"] <= len(text) <= limits["maxLength"]
    assert (fits and bool(re.search(limits["pattern"], text))) == Text(1, 2).takes(text)


@pytest.mark.parametrize("text", ["a", "", "a/b", "\x7f", "a" * 1024, "a" * 1025, "\ufffd"])
def test_the_limits_of_a_path_s_parameter_are_those_that_are_checked(text: str) -> None:
    fits = PATH_TEXT.limits["minLength"] <= len(text) <= PATH_TEXT.limits["maxLength"]
    assert (fits and bool(re.search(PATH_TEXT.limits["pattern"], text))) == PATH_TEXT.takes(text)


@pytest.mark.parametrize(
    ("validator", "limits", "words"),
    [
        (None, {}, None),
        (max_len(3), {"maxLength": 3}, "must have at most 3 characters"),
        (optional(min_len(2)), {"minLength": 2}, "must have 2 or more characters"),
        (ge(1), {"minimum": 1}, "must be 1 or more"),
        (and_(ge(1), le(9)), {"minimum": 1, "maximum": 9}, "must be 1 to 9"),
        (optional(matches_re("a|b")), {"pattern": "^(?:a|b)$"}, "must match ^(?:a|b)$"),
        (
            and_(matches_re("[a-z]+"), max_len(5)),
            {"pattern": "^(?:[a-z]+)$", "maxLength": 5},
            "must have at most 5 characters and match ^(?:[a-z]+)$",
        ),
        (Text(0, 5), {"minLength": 0, "maxLength": 5}, None),
    ],
)
def test_a_validator_is_told_in_the_words_of_json_schema_and_in_ours(
    validator: object, limits: dict[str, object], words: str | None
) -> None:
    assert limits_of(validator) == limits
    assert in_words(validator) == words
