"""Breaks an answer between words while it is written: a terminal alone would break it wherever its width ends."""

from __future__ import annotations

import re
from unicodedata import category, east_asian_width

FENCE = re.compile(r"`{3,}(?=[^`]*$)|~{3,}")
MARK = re.compile(r"[^\w\s]{1,3}|[0-9]{1,3}[.)]")
"""What an item of a list begins with, or a line that a sign stands before."""
AS_PICTURE = "\N{VARIATION SELECTOR-16}"
"""Behind a sign that is to be drawn as an emoji: not every terminal makes it wider for that."""
TAB = 8
"""Columns from one stop to the next."""
_STICKS_TO_THE_LAST = {"Pe", "Pf", "Po", "Sk", "Mn", "Me", "Cf"}
"""Categories of signs that no line begins with: closing ones, and those that change the sign before them."""
_WITHOUT_WIDTH = {"Mn", "Me", "Cf"}
"""Categories of signs that belong to the one before them, such as an accent of its own."""
_STICKS_TO_THE_NEXT = {"Ps", "Pi", "Cf"}


class Wrap:
    """A text that comes in pieces, with line breaks where a word would not fit.

    The last word is kept until it is complete. Code between fences, and rows of tables, pass as they are; so does a
    word that is longer than a line, such as a URL, which could not be copied otherwise.
    """

    def __init__(self) -> None:
        self._column = 0
        self._doubtful = 0
        """How many signs of the line are one column wide in some terminals, and two in others."""
        self._indent = 0
        """Of the lines that are made: below the text of an item of a list."""
        self._blank: list[str] = []
        """What stands before the word, and goes where the line is broken there."""
        self._word = ""
        self._passes: list[str] | None = None
        """The line as far as it has come, where it passes as it is."""
        self._is_long = False
        """Whether the word does, of which some stands there already."""
        self._begins = True
        """Whether the line has no word yet."""
        self._is_behind_mark = False
        """Whether it has nothing but the mark of an item."""
        self._fence = ""
        """What the code began with, and ends with; empty outside of it."""

    def add(self, text: str, width: int) -> str:
        """What there is to write now, for a terminal of `width` columns."""
        return "".join(self._take(sign, width) for sign in text)

    def _take(self, sign: str, width: int) -> str:
        if sign == "\n":
            return self._end_line(width)
        if self._passes is not None:
            self._passes.append(sign)
            return sign
        if sign in " \t":
            done, self._is_long = self._put(width), False
            if self._passes is not None:  # which the word has told
                self._passes.append(sign)
                return done + sign
            self._blank.append(sign)
            return done
        if self._is_long:
            self._column = (self._column + columns(sign)) % width
            return sign
        done = self._put(width) if self._word and _may_break(self._word[-1], sign) else ""
        self._word += sign
        if columns(self._word) > width:
            done += self._put(width)
            self._is_long = True
        return done

    def _end_line(self, width: int) -> str:
        done = self._put(width)
        line = "".join(self._passes or ()).strip()
        if self._fence and line.startswith(self._fence) and not line.strip(self._fence[0]):
            self._fence = ""
        self._passes = [] if self._fence else None
        self._column, self._doubtful, self._indent, self._blank = 0, 0, 0, []
        self._begins, self._is_behind_mark, self._is_long = True, False, False
        return done + "\n"

    def _put(self, width: int) -> str:
        """The word, behind what stands before it or on a line of its own."""
        if not self._word:
            return ""
        blank, word = "".join(self._blank), self._word
        self._blank, self._word = [], ""
        after = _advance(self._column, blank)
        if self._begins or self._is_behind_mark:
            self._begin(after, word, width)
        wide = columns(word)
        self._doubtful += word.count(AS_PICTURE)
        if after + wide + self._doubtful > width and self._column > self._indent:
            self._column, self._doubtful = self._indent + wide, word.count(AS_PICTURE)
            return "\n" + " " * self._indent + word
        self._column = after + wide
        return blank + word

    def _begin(self, column: int, word: str, width: int) -> None:
        """The first word tells what kind of line it is, and where its text begins: behind a mark, with the second."""
        if self._begins and (fence := FENCE.match(word)):
            self._fence = fence[0]
            self._passes = []
        elif self._begins and word.startswith("|"):
            self._passes = []
        self._is_behind_mark = self._begins and MARK.fullmatch(word) is not None
        self._begins = False
        self._indent = column if column <= width // 2 else 0


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: two for each wide sign, none for an accent of its own."""
    return sum(0 if category(sign) in _WITHOUT_WIDTH else 1 + (east_asian_width(sign) in "WF") for sign in text)


def _advance(column: int, blank: str) -> int:
    for sign in blank:
        column = (column // TAB + 1) * TAB if sign == "\t" else column + 1
    return column


def _may_break(before: str, after: str) -> bool:
    """Whether a line may end between two signs of a word: beside a wide one, as of Chinese, which has no blanks."""
    if category(after) in _STICKS_TO_THE_LAST or category(before) in _STICKS_TO_THE_NEXT:
        return False
    return east_asian_width(before) in "WF" or east_asian_width(after) in "WF"
