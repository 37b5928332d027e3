"""How the help of commands looks: names at the left, what they are for beside them, and no line broken in a word."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

MAX_COLUMNS = 100
"""Longer lines are hard to read, however wide the terminal is."""
MAX_NAME_COLUMNS = 24
"""A longer name has a line of its own."""
MIN_TEXT_COLUMNS = 20
"""Texts that would have less stand below their names, as on a telephone."""
MIN_COLUMNS = 20
_INDENT = "  "
_GAP = 2


class PlainHelp:
    """Formats for cyclopts: without frames, colours and marks, so that it can be read aloud, searched and piped."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print one section: commands, arguments or options."""
        if panel.entries:
            rows = [(_name(entry), _purpose(entry)) for entry in panel.entries]
            _print(console, "\n".join((f"{_text(panel.title)}:", *columns(rows, _width(console)), "")))

    def render_usage(self, console: Console, options: ConsoleOptions, usage: object) -> None:
        """Print how the command is written."""
        if text := _text(usage):
            _print(console, f"{text if text.startswith('Usage:') else f'Usage: {text}'}\n")

    def render_description(self, console: Console, options: ConsoleOptions, description: object) -> None:
        """Print what the command is for."""
        if text := _text(description):
            _print(console, f"{filled(text, _width(console))}\n")


def columns(rows: list[tuple[str, str]], width: int) -> Iterator[str]:
    """The lines of a table of names and texts, of which none is longer than `width`, where words allow it."""
    short = [len(name) for name, _ in rows if len(name) <= MAX_NAME_COLUMNS]
    margin = len(_INDENT) + max(short, default=MAX_NAME_COLUMNS) + _GAP
    if width - margin < MIN_TEXT_COLUMNS:
        margin = 2 * len(_INDENT)
    for name, text in rows:
        head, indent = f"{_INDENT}{name}", " " * margin
        lines = _wrapped(text, width, indent)
        if len(head) + _GAP > margin or not lines:
            yield from textwrap.wrap(head, width, subsequent_indent=_INDENT * 2, break_on_hyphens=False)
        else:
            lines[0] = f"{head:<{margin}}{lines[0].strip()}"
        yield from lines


def filled(text: str, width: int) -> str:
    """Paragraphs, each broken anew."""
    return "\n\n".join("\n".join(_wrapped(paragraph, width, "")) for paragraph in text.split("\n\n"))


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    # Commands and options in it stay whole, so that they can be copied.
    return textwrap.wrap(
        " ".join(text.split()),
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _name(entry: HelpEntry) -> str:
    return ", ".join(entry.display_labels_with_metavar)


def _purpose(entry: HelpEntry) -> str:
    more = [f"[choices: {', '.join(entry.choices)}]"] if entry.choices else []
    more += ["[required]"] if entry.required else []
    return " ".join((_text(entry.description), *more))


def _text(renderable: object) -> str:
    """What rich would show, in one line a paragraph."""
    from rich.console import Console

    if renderable is None:
        return ""
    out = StringIO()
    console = Console(file=out, width=10_000, no_color=True, highlight=False, markup=False, emoji=False)
    console.print(renderable)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip()


def _width(console: Console) -> int:
    return max(min(console.width, MAX_COLUMNS), MIN_COLUMNS)


def _print(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
