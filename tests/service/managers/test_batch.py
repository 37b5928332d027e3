"""Lines for cmd.exe, which another implementation of its rules takes apart."""

from __future__ import annotations

from importlib import import_module
from subprocess import list2cmdline
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tests.fakes.definitions import AWKWARD
from xopc.service.managers.base import ServiceManagerError
from xopc.service.managers.batch import assigned, assignment, command, command_words, enter, entered, words

mslex: Any = import_module("mslex")
"""Knows what cmd.exe and then a program make of a line, and refuses one in which cmd.exe sees more than words."""

TEXTS = st.text(alphabet="ab \\\"%&|<>^()'!=;,$ä猫", max_size=20)
PATHS = st.text(alphabet="aB: \\%&^()'!=;,$ä", min_size=1, max_size=20)
NO_PERCENT = "\ue000"
"""Stands for a percent sign that cmd.exe has made of two."""


def as_cmd_sees(line: str) -> str:
    """The line after its variables are replaced: there must be none."""
    seen = line.replace("%%", NO_PERCENT)
    assert "%" not in seen
    return seen


def arguments_of(line: str) -> list[str]:
    """The words that a program gets; fails where cmd.exe would see another command, a redirection or a group."""
    found: list[str] = mslex.split(as_cmd_sees(line).replace("!", "\ue001"), like_cmd=True, check=True)
    return [word.replace(NO_PERCENT, "%").replace("\ue001", "!") for word in found]


@given(st.lists(TEXTS, max_size=4))
def test_a_program_gets_its_arguments_as_they_are(others: list[str]) -> None:
    line = command(["C:\\x y\\xopc.exe", *others], "C:\\log")
    prefix = '>>"C:\\log" 2>&1 '
    assert line.startswith(prefix)
    assert arguments_of(line.removeprefix(prefix)) == ["C:\\x y\\xopc.exe", *others]
    assert command_words(line) == ("C:\\x y\\xopc.exe", *others)


@given(PATHS)
def test_the_path_of_a_program_is_one_word(path: str) -> None:
    line = command([path, "gateway"], path)
    head = f'>>"{path.replace("%", "%%")}" 2>&1 '
    assert line == f'{head}"{path.replace("%", "%%")}" gateway'
    assert command_words(line) == (path, "gateway")


@given(TEXTS)
def test_a_variable_gets_its_value_as_it_is(value: str) -> None:
    line = assignment("NAME", value)
    # `set` takes what is between the first quote and the last; cmd.exe has taken the carets outside of quotes before.
    seen = mslex.strip_carets_like_cmd(as_cmd_sees(line).replace("!", "\ue001"), check=True)
    told = seen.removeprefix('set "').removesuffix('"').replace(NO_PERCENT, "%").replace("\ue001", "!")
    assert told == f"NAME={value}"
    assert assigned(line) == ("NAME", value)


@given(PATHS)
def test_a_directory_is_entered_as_it_is(path: str) -> None:
    line = enter(path)
    assert as_cmd_sees(line).replace(NO_PERCENT, "%") == f'cd /d "{path}"'
    assert entered(line) == path


@given(st.lists(TEXTS, max_size=4))
def test_a_command_line_is_taken_apart_as_the_c_library_does(texts: list[str]) -> None:
    assert list(words(list2cmdline(texts))) == texts


def test_the_awkward_text() -> None:
    assert assignment("A", "100% &") == 'set "A=100%% &"'
    assert assignment("A", 'a"b&c') == 'set "A=a"b^&c"'
    assert command(["x", "a&b", "c d"], "l") == '>>"l" 2>&1 "x" a^&b "c d"'
    assert assigned(assignment("A", AWKWARD)) == ("A", AWKWARD)


@pytest.mark.parametrize("line", ["", "echo", 'set "A"', 'set "A=b', "cd /d x", "rem", '"x" gateway'])
def test_other_lines_are_none_of_ours(line: str) -> None:
    assert assigned(line) is None
    assert entered(line) is None
    assert command_words(line) is None


def test_a_path_with_a_quote_is_refused() -> None:
    with pytest.raises(ServiceManagerError, match=r'the path of the program holds a double quote.*: a"b'):
        command(['a"b'], "l")
    with pytest.raises(ServiceManagerError, match="the path of the log holds"):
        command(["a"], 'a"b')
    with pytest.raises(ServiceManagerError, match="the directory of the configuration holds"):
        enter('a"b')


def test_a_line_that_cmd_would_cut_is_refused() -> None:
    with pytest.raises(ServiceManagerError, match="the variable PATH is too long for a batch file"):
        assignment("PATH", "x" * 8000)
    assert len(assignment("PATH", "x" * 7000)) > 7000
