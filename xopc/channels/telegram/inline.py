"""The inline part of Markdown: emphasis, code, spoilers and links within one block of text.

Marks are paired with stacks, as in the CommonMark specification's appendix, with fewer rules: an opening mark stands
before a character and a closing one after it; `_` and a single `*` count at the edges of words only; what has no
partner is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import define, evolve, field, frozen


@frozen
class Style:
    """A tag of Telegram's HTML, and its argument: the language of `pre`, the address of `a`."""

    tag: str
    argument: str = ""


@frozen
class Piece:
    """Visible text with the styles that it is in, the outermost first."""

    text: str
    styles: tuple[Style, ...] = ()

    def within(self, style: Style) -> Piece:
        """The same inside one more style, where Telegram would nest them."""
        if style.tag != "blockquote" and any(inner.tag in ("code", style.tag) for inner in self.styles):
            return self
        return evolve(self, styles=(style, *self.styles))


_TOKEN = re.compile(
    r"""
      (?P<escape> \\ [!-/:-@\[-`{-~] )
    | (?P<ticks> `+ )
    | (?P<auto> < (?:https?://|tg://|mailto:) [^\s<>"]{1,2000}+ > )
    | (?P<bare> https?:// [^\s<>()\[\]*|`~"\\]+ )
    | (?P<marks> \*+ | _+ | ~~ (?!~) | \|\| (?!\|) )
    | (?P<open> !? \[ )
    | (?P<close>
        \]
        (?: \( [ ]*
          (?P<url>
              < [^<>\n]{0,2000}+ >
            | [^\s()<>]{0,2000}+ (?: \( [^\s()<>]{0,2000}+ \) [^\s()<>]{0,2000}+ )?
          )
          (?: [ ]+ (?: "[^"\n]{0,500}" | '[^'\n]{0,500}' ) )? [ ]*
        \) )?
      )
    """,
    re.VERBOSE,
)
_LINK = re.compile(r"(?:https?://|tg://|mailto:)[^\s\"<>]+", re.IGNORECASE)
_ARGUMENT = {"*": ("i", "b"), "_": ("i", "b"), "~": ("s", "s"), "|": ("tg-spoiler", "tg-spoiler")}
"""The tag for one mark, and for two."""


@define(eq=False)
class _Mark:
    """A run of marks: what is left of it is text."""

    index: int
    """Of its piece."""
    character: str
    count: int
    can_open: bool
    can_close: bool


@define(eq=False)
class _Parser:
    texts: list[str] = field(factory=list[str])
    marks: dict[int, _Mark] = field(factory=dict[int, _Mark])
    spans: list[tuple[int, int, Style]] = field(factory=list[tuple[int, int, Style]])
    """From the piece after the first index to that before the second."""
    openers: dict[str, list[_Mark]] = field(factory=dict[str, list[_Mark]])
    brackets: list[int] = field(factory=list[int])


def parse_inline(text: str) -> list[Piece]:
    """The visible text of `text` in pieces, in order."""
    parser = _Parser()
    position = 0
    missing_ticks: set[int] = set()
    while found := _TOKEN.search(text, position):
        _add(parser, text[position : found.start()])
        position = found.end()
        match found.lastgroup:
            case "escape":
                _add(parser, found[0][1])
            case "ticks":
                position = _code(parser, text, found, missing_ticks)
            case "auto":
                _link(parser, found[0][1:-1].removeprefix("mailto:"), found[0][1:-1])
            case "marks":
                _mark(parser, text, found)
            case "open":
                parser.brackets.append(len(parser.texts))
                _add(parser, found[0])
            case "bare":
                _add(parser, found[0])
            case _:
                _close_bracket(parser, found)
    _add(parser, text[position:])
    return list(_pieces(parser))


def _add(parser: _Parser, text: str) -> None:
    if text:
        parser.texts.append(text)


def _link(parser: _Parser, label: str, url: str) -> None:
    start = len(parser.texts)
    _add(parser, label)
    parser.spans.append((start - 1, start + 1, Style("a", url)))


def _code(parser: _Parser, text: str, found: re.Match[str], missing: set[int]) -> int:
    """Code up to as many ticks as it began with; where there are none, the ticks are text. Where to read on."""
    ticks = found[0]
    end = None
    if len(ticks) not in missing:
        end = re.compile(rf"(?<!`){ticks}(?!`)").search(text, found.end())
    if end is None:
        missing.add(len(ticks))
        _add(parser, ticks)
        return found.end()
    code = text[found.end() : end.start()]
    if code.startswith(" ") and code.endswith(" ") and code.strip():
        code = code[1:-1]
    start = len(parser.texts)
    _add(parser, code)
    parser.spans.append((start - 1, start + 1, Style("code")))
    return end.end()


def _mark(parser: _Parser, text: str, found: re.Match[str]) -> None:
    run, character = found[0], found[0][0]
    before, after = text[max(found.start() - 1, 0) : found.start()], text[found.end() : found.end() + 1]
    can_open, can_close = bool(after.strip()), bool(before.strip())
    if character == "_":
        can_open, can_close = can_open and not before.isalnum(), can_close and not after.isalnum()
    elif run == "*" and before.isalnum() and after.isalnum():
        can_open = can_close = False  # 2*3*4
    mark = _Mark(len(parser.texts), character, len(run), can_open=can_open, can_close=can_close)
    _add(parser, run)
    parser.marks[mark.index] = mark
    openers = parser.openers.setdefault(character, [])
    while mark.can_close and mark.count and openers:
        _pair(parser, openers[-1], mark)
    if mark.can_open and mark.count:
        openers.append(mark)


def _pair(parser: _Parser, opener: _Mark, closer: _Mark) -> None:
    """Style what is between two marks. Marks in between that found no partner are text."""
    _forget_openers_after(parser, opener.index)
    while parser.brackets and parser.brackets[-1] > opener.index:
        parser.brackets.pop()
    used = 2 if min(opener.count, closer.count) >= 2 else 1
    opener.count -= used
    closer.count -= used
    parser.spans.append((opener.index, closer.index, Style(_ARGUMENT[opener.character][used - 1])))
    if not opener.count:
        parser.openers[opener.character].pop()


def _close_bracket(parser: _Parser, found: re.Match[str]) -> None:
    url = (found["url"] or "").strip("<>")
    if not parser.brackets or not _LINK.fullmatch(url):
        # An address that Telegram would not take stays beside its label, as it was written.
        del parser.brackets[-1:]
        _add(parser, found[0])
        return
    opening = parser.brackets.pop()
    _forget_openers_after(parser, opening)
    parser.brackets.clear()  # a link holds no other
    if all(not text for text in parser.texts[opening + 1 :]):
        _add(parser, url)
    parser.texts[opening] = ""
    parser.spans.append((opening, len(parser.texts), Style("a", url)))


def _forget_openers_after(parser: _Parser, index: int) -> None:
    for openers in parser.openers.values():
        while openers and openers[-1].index > index:
            openers.pop()


def _pieces(parser: _Parser) -> Iterator[Piece]:
    starts: dict[int, list[tuple[int, Style]]] = {}
    for first, last, style in sorted(parser.spans, key=lambda span: (span[0], -span[1])):
        starts.setdefault(first + 1, []).append((last, style))
    active: list[tuple[int, Style]] = []
    for index, text in enumerate(parser.texts):
        while active and active[-1][0] <= index:
            active.pop()
        active += starts.get(index, ())
        mark = parser.marks.get(index)
        visible = text if mark is None else mark.character * mark.count
        if visible:
            yield Piece(visible, _nested(style for _, style in active))


def _nested(styles: Iterator[Style]) -> tuple[Style, ...]:
    """Styles that Telegram nests: each tag once, and code in nothing but a quote. A link outranks code."""
    unique = {style.tag: style for style in reversed(list(styles))}
    if "a" in unique:
        unique.pop("code", None)
    if "code" in unique:
        return (unique["code"],)
    return tuple(reversed(unique.values()))
