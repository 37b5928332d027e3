from __future__ import annotations

import time

import pytest
from hypothesis import given, strategies as st

from xopc.channels.telegram.inline import Piece, Style, parse_inline


def shown(text: str) -> str:
    """The pieces in a short form: `[b i]words`."""
    parts: list[str] = []
    for piece in parse_inline(text):
        tags = " ".join(f"{style.tag}={style.argument}" if style.argument else style.tag for style in piece.styles)
        parts.append(f"<{tags}>{piece.text}" if tags else piece.text)
    return "|".join(parts)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", ""),
        ("plain", "plain"),
        ("*i*", "<i>i"),
        ("_i_", "<i>i"),
        ("**b**", "<b>b"),
        ("__b__", "<b>b"),
        ("***both***", "<b i>both"),
        ("**b *both***", "<b>b |<b i>both"),
        ("*i **both** i*", "<i>i |<i b>both|<i> i"),
        ("~~gone~~", "<s>gone"),
        ("||secret||", "<tg-spoiler>secret"),
        ("`code`", "<code>code"),
        ("`` a ` b ``", "<code>a ` b"),
        ("**a `c` b**", "<b>a |<code>c|<b> b"),
        ("**粗体**文字", "<b>粗体|文字"),
    ],
)
def test_marks_become_styles(text: str, pieces: str) -> None:
    assert shown(text) == pieces


@pytest.mark.parametrize(
    "text",
    [
        "snake_case_name and a__b__c",
        "2*3*4",
        "a * b * c",
        "a || b || c",
        "*not closed",
        "not opened*",
        "`not closed",
        "~one~",
        "~~~~",
        "[not](javascript:alert) a link",
        "[not] (https://example.com) a link",
        "[open",
        "close](https://example.com)",
        "a [1] footnote",
        "<b>no HTML</b> & such",
        "https://example.com/a_b_c*",
    ],
)
def test_what_has_no_partner_is_text(text: str) -> None:
    assert "".join(piece.text for piece in parse_inline(text)) == text


def test_a_backslash_takes_the_meaning_from_a_mark() -> None:
    assert shown(r"\*no\* \[x\](y) \q") == r"*|no|*| |[|x|]|(y) \q"


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("[words](https://example.com/?a=1&b=2)", "<a=https://example.com/?a=1&b=2>words"),
        ("[w](<https://example.com>)", "<a=https://example.com>w"),
        ('[w](https://example.com "title")', "<a=https://example.com>w"),
        ("[w](https://example.com/a_(b))", "<a=https://example.com/a_(b)>w"),
        ("[w](tg://user?id=7)", "<a=tg://user?id=7>w"),
        ("[w](mailto:robin@example.com)", "<a=mailto:robin@example.com>w"),
        (
            "[**b** `c`](https://example.com)",
            "<a=https://example.com b>b|<a=https://example.com> |<a=https://example.com>c",
        ),
        ("**[w](https://example.com)**", "<b a=https://example.com>w"),
        ("![alt](https://example.com/i.png)", "<a=https://example.com/i.png>alt"),
        ("![](https://example.com/i.png)", "<a=https://example.com/i.png>https://example.com/i.png"),
        ("<https://example.com/_a_>", "<a=https://example.com/_a_>https://example.com/_a_"),
        ("<mailto:robin@example.com>", "<a=mailto:robin@example.com>robin@example.com"),
        (
            "[a [b](https://example.com) c](https://example.org)",
            "[|a |<a=https://example.com>b| c|](https://example.org)",
        ),
        ("*a [b* c](https://example.com)", "<i>a |<i>[|<i>b| c|](https://example.com)"),
    ],
)
def test_links(text: str, pieces: str) -> None:
    assert shown(text) == pieces


def test_a_piece_goes_within_a_style_where_telegram_would_nest_them() -> None:
    assert Piece("a", (Style("i"),)).within(Style("b")).styles == (Style("b"), Style("i"))
    assert Piece("a", (Style("b"),)).within(Style("b")).styles == (Style("b"),)
    assert Piece("a", (Style("code"),)).within(Style("b")).styles == (Style("code"),)
    assert Piece("a", (Style("code"),)).within(Style("blockquote")).styles == (Style("blockquote"), Style("code"))


@given(st.text(alphabet="ab \n*_~|`[]()!<>\\/:"))
def test_letters_are_never_lost(text: str) -> None:
    visible = "".join(piece.text for piece in parse_inline(text))
    for letter in "ab":
        assert visible.count(letter) == text.count(letter)


@given(st.text(alphabet="ab *_~|`[]()!<>\\"))
def test_no_piece_is_empty_and_no_tag_stands_twice(text: str) -> None:
    for piece in parse_inline(text):
        tags = [style.tag for style in piece.styles]
        assert piece.text
        assert len(tags) == len(set(tags))


@pytest.mark.parametrize(
    "unit", ["*a **b ", "[a](b", "[", "` `` ", "_a* ", "~~a||b", "](", "<http://", "![](http://a)"]
)
def test_time_is_in_proportion_to_the_length(unit: str) -> None:
    began = time.process_time()
    parse_inline(unit * (100_000 // len(unit)))
    assert time.process_time() - began < 5, "quadratic time would be minutes"
