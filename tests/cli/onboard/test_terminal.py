"""Lines on a terminal."""

from __future__ import annotations

import io
import sys

import pytest

from xopc.cli.onboard.terminal import Screen, broken_lines, is_attended


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_that_fits_stays_as_it_is() -> None:
    line = '   xopc agent "…"         says something to it'
    assert broken_lines(line, 80) == [line]


def test_a_longer_one_goes_on_below_its_first_word() -> None:
    lines = broken_lines("  2) Another provider, whose key I paste", 20)
    assert lines == ["  2) Another", "     provider,", "     whose key I", "     paste"]


def test_a_sentence_goes_on_at_its_beginning() -> None:
    assert broken_lines("Nothing is written yet", 15) == ["Nothing is", "written yet"]


def test_a_path_stays_whole() -> None:
    path = "/home/ada/a-rather-long-name/of-a-directory/xopc.json"
    assert broken_lines(f"See {path}", 20)[-1].endswith(path)


@pytest.mark.parametrize(
    ("environ", "is_bold"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False)],
)
def test_headings_are_bold_where_that_is_liked(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], is_bold: bool
) -> None:
    out = Tty()
    monkeypatch.setattr(sys, "stdout", out)
    screen = Screen(environ)
    screen.write("Title", bold=True)
    screen.write("text\n\nmore")
    assert out.getvalue() == ("\033[1mTitle\033[22m" if is_bold else "Title") + "\ntext\n\nmore\n"


def test_commands_are_those_of_the_profile(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("XOPC_PROFILE", "rescue")
    Screen({}).write("   xopc gateway status    tells whether it is well")
    assert capsys.readouterr().out == "   xopc --profile rescue gateway status    tells whether it is well\n"


def test_answers_are_read_line_by_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    assert Screen({}).read("Really: ") == "yes"
    assert capsys.readouterr().out == "Really: "
    with pytest.raises(EOFError):
        Screen({}).read("Really: ")


def test_a_question_is_broken_between_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    Screen({}).read("Write ~/.xopc/xopc.json and ~/.xopc/models.json [Y/n]: ")
    assert capsys.readouterr().out == "Write ~/.xopc/xopc.json and\n~/.xopc/models.json [Y/n]: "


def test_nothing_that_is_shown_moves_the_cursor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    Screen({}).write("a model \x1b[2Jcalled so")
    Screen({}).read("Is it \x1b]0;you\x07: ")
    assert "\x1b" not in capsys.readouterr().out


def test_somebody_is_there_where_both_ends_are_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Tty())
    monkeypatch.setattr(sys, "stdout", Tty())
    assert is_attended()
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert not is_attended()
    monkeypatch.setattr(sys, "stdin", None)
    assert not is_attended()
