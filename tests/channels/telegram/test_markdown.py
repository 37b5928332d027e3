from __future__ import annotations

import time

import pytest

from xopc.channels.telegram.markdown import parse


def shown(markdown: str) -> list[tuple[str, str]]:
    """Text and tags of the pieces, line ends between blocks left out."""
    return [
        (" ".join(filter(None, (f"{style.tag} {style.argument}".strip() for style in piece.styles))), piece.text)
        for piece in parse(markdown)
        if piece.text != "\n"
    ]


def visible(markdown: str) -> str:
    return "".join(piece.text for piece in parse(markdown))


@pytest.mark.parametrize(
    ("markdown", "pieces"),
    [
        ("# Title", [("b", "Title")]),
        ("###### *Title*", [("b i", "Title")]),
        ("#hashtag", [("", "#hashtag")]),
        ("- one\n* two\n+ three", [("", "• one"), ("", "• two"), ("", "• three")]),
        ("  - nested", [("", "  • nested")]),
        ("1. one", [("", "1. one")]),
        ("> a\n> b", [("blockquote", "a\nb")]),
        ("> # T\n>> deep", [("blockquote b", "T"), ("blockquote", "\n"), ("blockquote", "deep")]),
        ("---", [("", "———")]),
        ("* * *", [("", "———")]),
        ("```python\na = *b*\n```", [("pre python", "a = *b*")]),
        ("~~~\n```\n~~~", [("pre", "```")]),
        ("```\nnot closed", [("pre", "not closed")]),
        ("```a``` inline", [("code", "a"), ("", " inline")]),
        ("| a | b |\n|---|:-:|\n| 1 | 2 |", [("pre", "| a | b |\n|---|:-:|\n| 1 | 2 |")]),
        ("| no table |", [("", "| no table |")]),
        ("*a\nb*", [("i", "a\nb")]),
        ("- a * b\n- c * d", [("", "• a "), ("", "*"), ("", " b"), ("", "• c "), ("", "*"), ("", " d")]),
    ],
)
def test_blocks(markdown: str, pieces: list[tuple[str, str]]) -> None:
    assert [piece for piece in shown(markdown) if piece != ("blockquote", "\n")] == [
        piece for piece in pieces if piece != ("blockquote", "\n")
    ]


def test_a_quote_is_one_with_its_line_ends() -> None:
    pieces = parse("> # T\n> a")
    assert [piece.text for piece in pieces] == ["T", "\n", "a"]
    assert all(piece.styles[0].tag == "blockquote" for piece in pieces)


def test_two_fences_beside_each_other_stay_two() -> None:
    assert shown("```a\n1\n```\n```b\n2\n```") == [("pre a", "1"), ("pre b", "2")]


def test_lines_stay_lines() -> None:
    assert visible("a\nb\n\nc\r\nd") == "a\nb\n\nc\nd"
    assert visible("# T\n\ntext\n```\ncode\n```\nend") == "T\n\ntext\ncode\nend"


def test_what_no_encoding_can_carry_is_replaced() -> None:
    assert visible("a\ud83d b\0 \ud83d\ude00") == "a� b 😀"


@pytest.mark.parametrize("unit", ["# ", "> ", "|x", "- - x", "~~~a\n", "```\n", "``` a", "#### #"])
def test_time_is_in_proportion_to_the_length(unit: str) -> None:
    began = time.process_time()
    parse(unit * (100_000 // len(unit)))
    assert time.process_time() - began < 5, "quadratic time would be minutes"
