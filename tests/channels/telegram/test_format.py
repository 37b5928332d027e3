from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, strategies as st

from xopc.channels.telegram.format import MAX_UNITS, plain, render, units
from xopc.channels.telegram.markdown import parse

TAGS = {"b", "i", "s", "code", "pre", "blockquote", "a", "tg-spoiler"}


class Balance(HTMLParser):
    """Fails at a tag that Telegram does not know, or that is not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert tag not in self.stack, "Telegram does not nest a tag in itself"
        self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag


def check(part: str) -> None:
    balance = Balance()
    balance.feed(part)
    balance.close()
    assert balance.stack == []
    assert re.search(r"&(?!lt;|gt;|amp;|quot;|#x27;)", part) is None


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**a** < b & c", "<b>a</b> &lt; b &amp; c"),
        ("***both* b**", "<b><i>both</i> b</b>"),
        ("[x](https://example.com/?a=1&b=2)", '<a href="https://example.com/?a=1&amp;b=2">x</a>'),
        ("```c++\na < b\n```", '<pre><code class="language-c++">a &lt; b</code></pre>'),
        ('```py"><b>\na\n```', '<pre><code class="language-pyb">a</code></pre>'),
        ('```"\na\n```', "<pre>a</pre>"),
        ("> a\n>\n> **b**", "<blockquote>a\n\n<b>b</b></blockquote>"),
        ("||x||", "<tg-spoiler>x</tg-spoiler>"),
        ("  \n\n hello \n ", "hello"),
        ("```\n    indented\n```", "<pre>    indented</pre>"),
    ],
)
def test_markdown_becomes_telegram_s_html(markdown: str, html: str) -> None:
    assert render(markdown, 4000) == (html,)


@pytest.mark.parametrize("markdown", ["", " \n\t\n", "```\n```", ">"])
def test_what_shows_nothing_is_no_message(markdown: str) -> None:
    assert render(markdown, 4000) == ()


def test_a_text_that_fits_is_one_part() -> None:
    assert render("x" * 4000, 4000) == ("x" * 4000,)


def test_a_text_is_cut_with_room_to_spare() -> None:
    first, second = render("word " * 1000, 4000)
    assert 3790 <= len(first) <= 3800
    assert len(first) + len(second) == 4998


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("a" * 60 + "\n\n" + "b" * 10 + "\n" + "c. d e" * 20, "a"),
        ("a" * 60 + "\n" + "b" * 10 + ". c d e f g h i j k l m n o p q r s t u v w x y z", "a"),
        ("a " * 30 + "b. " + "c " * 40, "b."),
        ("a " * 80, "a"),
        ("a " + "b" * 150, "a"),
        ("句。" * 80, "。"),
    ],
)
def test_a_text_is_cut_at_the_best_place(text: str, end: str) -> None:
    assert render(text, 100)[0].endswith(end)


def test_code_is_closed_and_opened_again_with_its_language_and_indent() -> None:
    lines = [f"    line {number}" for number in range(30)]
    parts = render("```py\n" + "\n".join(lines) + "\n```", 100)
    assert len(parts) > 3
    for part in parts:
        assert part.startswith('<pre><code class="language-py">    line')
        assert part.endswith("</code></pre>")
    assert "\n".join(plain(part) for part in parts).split("\n") == lines


def test_a_style_goes_on_in_the_next_part() -> None:
    parts = render("**" + "word " * 100 + "end**", 200)
    assert len(parts) == 3
    assert all(part.startswith("<b>") and part.endswith("</b>") for part in parts)


def test_lengths_are_those_of_telegram() -> None:
    assert units("a😀é") == 4
    parts = render("😀" * 3000, 4000)
    assert [units(part) for part in parts] == [3800, 2200]


def test_a_part_can_be_read_as_text() -> None:
    (part,) = render('**a** < `b` & [c](https://example.com/?a="x&y) 5 > 4', 4000)
    assert plain(part) == 'a < b & [c](https://example.com/?a="x&y) 5 > 4'


BITS = (
    *(
        "word ",
        "Word. ",
        "\n",
        "\n\n",
        "**",
        "*",
        "_",
        "`",
        "```\n",
        "```py\n",
        "\n```\n",
        "> ",
        "- ",
        "# ",
        "||",
        "~~",
    ),
    *("[", "](https://example.com)", "😀", "<b>", "&amp;", "é", "字", "| a |\n|--|\n", "x" * 130, "   "),
)
MARKDOWN = st.lists(st.sampled_from(BITS) | st.text(max_size=5), max_size=80).map("".join)


@given(MARKDOWN, st.sampled_from([100, 101, 250, 4096]))
def test_no_part_is_too_long_or_out_of_balance_and_nothing_is_lost(markdown: str, limit: int) -> None:
    parts = render(markdown, limit)
    for part in parts:
        check(part)
        assert 0 < units(plain(part)) <= limit <= MAX_UNITS
        assert plain(part).strip()
    whole = "".join(piece.text for piece in parse(markdown))
    assert "".join("".join(plain(part).split()) for part in parts) == "".join(whole.split())
    assert render(markdown, limit) == parts


@given(st.text(alphabet=st.characters(categories=["L", "N", "Zs"]), max_size=500))
def test_plain_words_come_through_as_they_are(text: str) -> None:
    assert " ".join(" ".join(plain(part) for part in render(text, 4096)).split()) == " ".join(text.split())
