"""The terminal that a person sits at: lines out, lines in, and one that nobody sees being typed."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Mapping
from typing import Protocol

from xopc.cli.output import as_typed, without_controls

WIDEST = 80
"""Columns of a text; lines that are longer are hard to read."""


class Terminal(Protocol):
    """Where a guide asks."""

    def write(self, text: str, *, bold: bool = False) -> None:
        """Show a paragraph: its lines are broken where they are too long, and its commands are for the profile."""
        ...

    def read(self, prompt: str) -> str:
        """The next line that is typed, without its end.

        Raises:
            EOFError: there will be none.
            KeyboardInterrupt: Ctrl+C.
            UnicodeDecodeError: it is in another encoding than the terminal's.
        """
        ...

    def read_hidden(self, prompt: str) -> str:
        """The same, and what is typed is not shown."""
        ...


class Screen:
    """The `Terminal` of this process."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._in_colour = sys.stdout.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"

    def write(self, text: str, *, bold: bool = False) -> None:
        shown = _broken(as_typed(text))
        print(f"\033[1m{shown}\033[22m" if bold and self._in_colour else shown, flush=True)

    def read(self, prompt: str) -> str:
        return input(_broken(prompt))

    def read_hidden(self, prompt: str) -> str:
        from getpass import getpass

        return getpass(_broken(prompt))


def _broken(text: str) -> str:
    """A text that fits into the terminal, with the blanks at its end. Servers and strangers chose some of its words."""
    width = min(WIDEST, shutil.get_terminal_size().columns)
    text = without_controls(text)
    end = text[len(text.rstrip(" ")) :]
    lines = [broken for line in text.split("\n") for broken in (broken_lines(line, width) or [""])]
    return "\n".join(lines) + end


def broken_lines(line: str, width: int) -> list[str]:
    """A line as lines of at most `width` columns, the later ones indented as the first one's text is.

    Words stay whole: a path or a command that is broken cannot be copied.
    """
    body = line.lstrip(" ")
    indent = " " * (len(line) - len(body))
    mark, space, _ = body.partition(" ")
    hanging = indent + " " * (len(mark) + 1) if space and not mark[0].isalpha() else indent
    return textwrap.wrap(
        line,
        width - 1,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
        replace_whitespace=False,
    )


def is_attended() -> bool:
    """Whether somebody sits at a terminal and can answer."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
