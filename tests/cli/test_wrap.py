"""An answer that is broken between words while it comes."""

from __future__ import annotations

import pytest

from xopc.cli.wrap import Wrap, columns


def wrapped(text: str, width: int, *, piece: int = 1) -> list[str]:
    """The lines of a text that comes in pieces."""
    wrap = Wrap()
    pieces = [text[start : start + piece] for start in range(0, len(text), piece)]
    return "".join(wrap.add(one, width) for one in [*pieces, "\n"]).split("\n")[:-1]


def test_a_line_ends_before_the_word_that_would_go_over_the_edge() -> None:
    assert wrapped("The quick brown fox jumps", 10) == ["The quick", "brown fox", "jumps"]
    assert wrapped("one two", 7) == ["one two"]
    assert wrapped("one twos", 7) == ["one", "twos"]


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 8, 1000])
def test_it_does_not_matter_in_which_pieces_it_comes(piece: int) -> None:
    text = "Here is it:\n\n- a first thing, in words\n```sh\nls --all --human-readable\n```\nand 全部都在这里了。 Done"
    assert wrapped(text, 16, piece=piece) == wrapped(text, 16)


def test_a_word_stands_there_as_soon_as_it_is_complete() -> None:
    wrap = Wrap()
    assert wrap.add("It is no", 40) == "It is"
    assert wrap.add("on. ", 40) == " noon."
    assert wrap.add("\n", 40) == "\n"


def test_line_breaks_of_the_answer_stay() -> None:
    assert wrapped("a\n\nb  c\n", 40) == ["a", "", "b  c", ""]


@pytest.mark.timeout(8)  # which it passes by far, unless each sign costs as much as the line is long
@pytest.mark.parametrize("before", ["```\n", "| ", " " * 2**20])
def test_a_line_may_be_as_long_as_a_message(before: str) -> None:
    text = f"{before}{'x' * 2**20}"
    assert "\n".join(wrapped(text, 80, piece=2**20)) == text


def test_what_goes_on_below_an_item_stands_below_its_text() -> None:
    assert wrapped("- one two three\n  1. four five six", 13) == ["- one two", "  three", "  1. four", "     five six"]


def test_what_goes_on_below_a_sign_stands_beside_it() -> None:
    assert wrapped("❌ one two three", 12) == ["❌ one two", "   three"]
    assert wrapped("⚠️  one two three", 12) == ["⚠️  one two", "   three"]


def test_an_indent_leaves_room_for_words() -> None:
    assert wrapped("            deep down here", 14) == ["            deep", "down here"]


def test_wide_signs_take_two_columns_and_a_line_may_end_beside_them() -> None:
    assert wrapped("今天天气很好我们去公园", 10) == ["今天天气很", "好我们去公", "园"]
    assert wrapped("See 今天天气 there", 9) == ["See 今天", "天气", "there"]


def test_no_line_begins_with_a_sign_that_closes_and_none_ends_with_one_that_opens() -> None:
    assert wrapped("今天天气很。好", 10) == ["今天天气", "很。好"]
    assert wrapped("今天天气「很好」", 10) == ["今天天气", "「很好」"]


def test_an_accent_of_its_own_takes_no_column_and_stays_where_it_belongs() -> None:
    assert wrapped("e\u0301e\u0301e\u0301 e\u0301", 5) == ["e\u0301e\u0301e\u0301 e\u0301"]
    assert wrapped("天天\u0301天", 4) == ["天天\u0301", "天"]


def test_a_sign_that_is_joined_of_several_is_not_taken_apart() -> None:
    assert wrapped("👩‍💻👩‍💻", 5) == ["👩‍💻", "👩‍💻"]
    assert wrapped("👍🏽👍🏽", 5) == ["👍🏽", "👍🏽"]


def test_a_sign_that_may_be_wide_is_given_room() -> None:
    assert wrapped("one ❤️ two ❤️", 13) == ["one ❤️ two ❤️"]
    assert wrapped("one ❤️ two ❤️", 12) == ["one ❤️ two", "❤️"]
    assert wrapped("one ❤️ two ❤️", 9) == ["one ❤️", "two ❤️"]


def test_code_stays_as_it_is() -> None:
    code = ["```python", "print('a long line of code that is not broken')", "    ``` is no end", "```"]
    text = "\n".join([*code, "and words that are broken"])
    assert wrapped(text, 12) == [*code, "and words", "that are", "broken"]


def test_code_ends_with_as_many_signs_as_it_began_with() -> None:
    code = ["~~~~", "~~~", "a line of code that is long", "~~~~~"]
    assert wrapped("\n".join([*code, "one two three four"]), 9) == [*code, "one two", "three", "four"]


def test_a_word_that_is_code_is_broken_as_words_are() -> None:
    assert wrapped("type `ls -l` here", 9) == ["type `ls", "-l` here"]


def test_code_that_begins_and_ends_in_one_word_is_a_word() -> None:
    assert wrapped("```ls``` lists the files", 9) == ["```ls```", "lists the", "files"]


def test_rows_of_a_table_stay_as_they_are() -> None:
    assert wrapped("| a | long row of it |\none two three", 9) == ["| a | long row of it |", "one two", "three"]


def test_what_is_longer_than_a_line_stays_whole_for_it_could_not_be_copied_otherwise() -> None:
    url = "https://example.com/a/long/path"
    assert wrapped(f"See {url} for more", 12) == ["See", f"{url} for", "more"]


@pytest.mark.parametrize("width", range(10, 40))
def test_no_line_of_words_is_wider_than_the_terminal(width: int) -> None:
    text = " ".join(["a", "word", "天气很好", "e\u0301te\u0301", "👩‍💻", "longer,", "- and"] * 9)
    lines = wrapped(text, width, piece=width % 7 + 1)
    assert max(map(columns, lines)) <= width
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
