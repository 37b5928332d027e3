from __future__ import annotations

import json

import pytest

from xopc.config.parse import MAX_DEPTH, NotJsonError, parse, position

WITH_COMMENTS = """
// the house
{
  gateway: {           /* where
                          it listens */
    'port': 0x4967,
    "bind": "lan",
  },
}
"""


def test_plain_json_is_read() -> None:
    assert parse('{"gateway": {"port": 18791}}') == ({"gateway": {"port": 18791}}, True)


def test_comments_trailing_commas_and_bare_keys_are_read() -> None:
    assert parse(WITH_COMMENTS) == ({"gateway": {"port": 18791, "bind": "lan"}}, False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1 "b": 2}', "is not JSON: line 1, column 9: expecting ',' delimiter"),
        ('{\n  "a": 1,\n  "b": tru\n}', "line 3, column 11: unexpected end of line"),
        ('// c\n/* d\ne */ {"a": 1 "b": 2}', "line 3, column 14: unexpected character '\"'"),
        ('{"a": [1, 2', "line 1, column 12: expecting ',' delimiter"),
        ('{\n // c\n "a": "x\n}', "line 3, column 9: unexpected end of line"),
        ("{a: [1, 2", "line 1, column 10: unexpected end of input"),
        ('{"a": 1}}', "line 1, column 9: extra data"),
        ("/* open", "line 1, column 8: unexpected end of input"),
        ('{"a": \0}', "line 1, column 7: a NUL: save the file as UTF-8"),
        ('{"a": ' + "9" * 5000 + "}", "is not JSON: Exceeds the limit"),
        ("{a: " + "9" * 5000 + "}", "is not JSON: Exceeds the limit"),
    ],
)
def test_a_mistake_is_told_with_line_and_column(text: str, message: str) -> None:
    with pytest.raises(NotJsonError) as caught:
        parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_empty_file_is_refused(text: str) -> None:
    with pytest.raises(NotJsonError, match=r"is empty: write \{\} into it"):
        parse(text)


@pytest.mark.parametrize("text", ["[]", "null", "5", '"text"', "[1,]", "// only\nnull"])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(NotJsonError, match="must hold an object"):
        parse(text)


@pytest.mark.parametrize("prefix", ["", "// with a comment\n"])
def test_a_key_that_stands_twice_is_refused(prefix: str) -> None:
    text = prefix + '{"gateway": {"auth": {"mode": "token"}, "auth": {}}}'
    with pytest.raises(NotJsonError, match='has the key "auth" twice'):
        parse(text)


@pytest.mark.parametrize("comment", ["", "// with a comment\n"])
@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 1000, 100_000])
def test_what_is_nested_too_deep_is_refused(comment: str, levels: int) -> None:
    text = comment + '{"a":' * levels + "1" + "}" * levels
    with pytest.raises(NotJsonError, match="is nested deeper than 32 levels"):
        parse(text)


@pytest.mark.parametrize("comment", ["", "// with a comment\n"])
def test_the_deepest_that_is_allowed_is_read(comment: str) -> None:
    text = '{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH
    assert parse(comment + text)[0] == json.loads(text)


def test_no_message_holds_the_text_around_a_mistake() -> None:
    with pytest.raises(NotJsonError) as caught:
        parse('{"gateway": {"auth": {"token": "correct-horse-battery" oops}}}')
    assert "horse" not in str(caught.value)


@pytest.mark.parametrize(
    ("index", "where"), [(0, "line 1, column 1"), (2, "line 2, column 1"), (3, "line 2, column 2")]
)
def test_a_position_counts_from_one(index: int, where: str) -> None:
    assert position("a\nbc", index) == where
