"""Words in units of systemd."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import characters, lists, text

from xopc.service.managers.base import ServiceManagerError
from xopc.service.managers.escape import (
    assignment,
    assignments,
    command_line,
    command_words,
    directory,
    plain,
    quote,
    specified,
    words,
)

WRITABLE = text(characters(exclude_categories=("Cs", "Cc")), max_size=20)
"""What a unit may hold."""


@given(lists(WRITABLE, min_size=1, max_size=4))
def test_an_argument_vector_comes_back_as_it_was(arguments: list[str]) -> None:
    assert command_words(command_line(["/opt/xopc", *arguments]), "/home/amy") == ("/opt/xopc", *arguments)


@given(WRITABLE)
def test_a_variable_comes_back_as_it_was(value: str) -> None:
    assert assignments(assignment("NAME", value), "/home/amy") == {"NAME": value}


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("--port", "--port"),
        ("a b", '"a b"'),
        ("", '""'),
        ("100%", '"100%%"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("a\\b", '"a\\\\b"'),
        (";", '";"'),
        ("'", '"\'"'),
    ],
)
def test_a_word_is_quoted_where_it_needs_it(word: str, written: str) -> None:
    assert quote(word, "here") == written


def test_a_dollar_is_no_variable_in_the_program_either() -> None:
    assert command_line(["/opt/a$b/xopc", "$HOME"]) == ':"/opt/a$b/xopc" "$HOME"'


@pytest.mark.parametrize(
    ("text", "what"), [("a\nb", "a line break"), ("a\rb", "a line break"), ("a\x1bb", "a control character")]
)
def test_what_would_end_the_line_is_refused_with_its_place(text: str, what: str) -> None:
    with pytest.raises(ServiceManagerError, match=f"the variable NAME holds {what}, which no service can be given"):
        assignment("NAME", text)


def test_what_is_not_utf_8_is_refused_with_its_place() -> None:
    with pytest.raises(ServiceManagerError, match="the description is not UTF-8"):
        plain("\udcff", "the description")


@pytest.mark.parametrize(
    ("path", "written"), [("/srv/a b", "/srv/a b"), ("/srv/100%", "/srv/100%%"), ("/a\\", "/a\\/"), ("/a ", "/a /")]
)
def test_a_directory_stands_without_quotes(path: str, written: str) -> None:
    assert directory(path, "here") == written


def test_what_a_person_wrote_by_hand_is_read_as_systemd_does() -> None:
    assert command_words("-@/usr/bin/xopc gateway --port 1 '%h/a b' $$5 a\\x20b", "/home/amy") == (
        "/usr/bin/xopc",
        "gateway",
        "--port",
        "1",
        "/home/amy/a b",
        "$5",
        "a b",
    )
    assert assignments("A=1 'B=two words' C", "/home/amy") == {"A": "1", "B": "two words"}
    assert specified("~", "/home/amy") == "/home/amy"
    assert specified("-%h/x%%", "/home/amy") == "/home/amy/x%"


def test_escapes_are_those_of_c_and_of_unicode() -> None:
    assert list(words(r"\x41 \101 \u0041 \U00000041 \s \n \q")) == ["A", "A", "A", "A", " ", "\n", "q"]


def test_a_quote_inside_a_word_is_a_sign_as_others() -> None:
    assert list(words("a'b c'd")) == ["a'b", "c'd"]


def test_a_quote_that_is_not_closed_ends_with_the_value() -> None:
    assert list(words('"a b')) == ["a b"]
