"""Markdown, as models write it, into pieces of visible text with their styles.

The dialect is what models use: fenced code, headings, quotes, lists, tables, rules; bold, italic, strike-through,
`||spoilers||`, code, links. What is not understood stays as it is written; no visible text is lost. It takes time in
proportion to the length of the text, whatever stands in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from attrs import frozen

from xopc.channels.telegram.inline import Piece, Style, parse_inline

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^`\s]*+)[^`]*+")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(?=\S)")
_QUOTE = re.compile(r" {0,3}>[ \t>]*")
_BULLET = re.compile(r"([ \t]*)[-*+][ \t]+(?=\S)")
_RULE = re.compile(r" {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}")
_TABLE_ROW = re.compile(r"[ \t]*\|.*\|[ \t]*")
_TABLE_LINE = re.compile(r"[ \t]*\|(?:[ \t]*:?-+:?[ \t]*\|)+[ \t]*")

RULE = "———"
BULLET = "•"


@frozen
class _Line:
    """A line, and what kind of block it belongs to."""

    kind: str
    text: str
    block: int = 0
    """Of a fence: which one it is."""
    language: str = ""


def parse(markdown: str) -> list[Piece]:
    """The visible text in pieces, in order; line ends among them."""
    return list(_blocks(_clean(markdown), may_quote=True))


def _clean(text: str) -> str:
    # Half a surrogate pair is no Unicode, and would have the whole message refused.
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _blocks(text: str, *, may_quote: bool) -> Iterator[Piece]:
    first = True
    for (kind, _), group in groupby(_lines(text, may_quote=may_quote), key=lambda line: (line.kind, line.block)):
        lines = list(group)
        if kind == "fence-mark":
            continue
        if not first:
            yield Piece("\n")
        first = False
        yield from _block(kind, lines)


def _block(kind: str, lines: list[_Line]) -> Iterator[Piece]:
    text = "\n".join(line.text for line in lines)
    match kind:
        case "code":
            yield Piece(text, (Style("pre", lines[0].language),))
        case "table" if any(_TABLE_LINE.fullmatch(line.text) for line in lines):
            yield Piece(text, (Style("pre"),))
        case "heading":
            yield from (piece.within(Style("b")) for piece in parse_inline(text))
        case "quote":
            yield from (piece.within(Style("blockquote")) for piece in _blocks(text, may_quote=False))
        case "rule":
            yield Piece(text)
        case _:
            yield from parse_inline(text)


def _lines(text: str, *, may_quote: bool) -> Iterator[_Line]:
    """Each line with its kind. Lines of a kind that stand together are one block, except headings and items."""
    fence, language, block = "", "", 0
    for number, line in enumerate(text.split("\n")):
        mark = _FENCE.fullmatch(line)
        if fence:
            if mark and mark[1].startswith(fence) and line.strip() == mark[1]:
                fence = ""
                yield _Line("fence-mark", "", block)
            else:
                yield _Line("code", line, block, language)
        elif mark:
            fence, language, block = mark[1], mark[2], number + 1
            yield _Line("fence-mark", "", block)
        else:
            yield _line(line, number, may_quote=may_quote)


def _line(line: str, number: int, *, may_quote: bool) -> _Line:
    if may_quote and (quote := _QUOTE.match(line)):
        return _Line("quote", line[quote.end() :])
    if heading := _HEADING.match(line):
        return _Line("heading", line[heading.end() :].rstrip(), -number)
    if _RULE.fullmatch(line):
        return _Line("rule", RULE, -number)
    if _TABLE_ROW.fullmatch(line):
        return _Line("table", line)
    if bullet := _BULLET.match(line):
        # A block of its own: a lone asterisk in one item does not pair with one in the next.
        return _Line("item", f"{bullet[1]}{BULLET} {line[bullet.end() :]}", -number)
    return _Line("text", line) if line.strip() else _Line("blank", "", -number)
