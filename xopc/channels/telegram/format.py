"""Markdown into messages of Telegram: HTML of the few tags that it knows, in parts that are not too long.

Lengths are those that Telegram counts: UTF-16 units of the visible text, after the tags are read. Tags are closed at
the end of a part and opened again in the next one, so that each part stands for itself.
https://core.telegram.org/bots/api#html-style
"""

from __future__ import annotations

import html
import re
from collections import deque
from collections.abc import Iterable, Iterator

from xopc.channels.telegram.inline import Piece, Style
from xopc.channels.telegram.markdown import parse

MAX_UNITS = 4096
"""Of one message."""
AIM = 0.95
"""Of the limit: where a text is cut that does not fit. What is left of it may fill the last part to the limit."""

_BOUNDARIES = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"[.!?…:;]['\")\]]*\s|[。！？；]"),
    re.compile(r"\s"),
)
"""Where a text is cut, the best first: paragraph, line, sentence, word."""


def render(markdown: str, limit: int) -> tuple[str, ...]:
    """The HTML of each part; the same for the same text, always. Nothing where nothing is visible."""
    pieces = parse(markdown)
    ends = _ends("".join(piece.text for piece in pieces), limit)
    parts = map(_trimmed, _divide(pieces, ends))
    return tuple(_html(part) for part in parts if part)


def plain(part: str) -> str:
    """The visible text of a rendered part."""
    return html.unescape(re.sub(r"<[^<>]*>", "", part))


def units(text: str) -> int:
    """The length of a text in UTF-16 units."""
    return len(text) + sum(1 for character in text if character > "\uffff")


# --------------------------------------------------------------------- cuts


def _ends(text: str, limit: int) -> list[int]:
    """Where each part ends, which is where the next one begins."""
    ends = [0]
    while _reach(text, ends[-1], limit) < len(text):
        ends.append(_best_cut(text, ends[-1], _reach(text, ends[-1], int(limit * AIM))))
    return [*ends[1:], len(text)]


def _reach(text: str, start: int, limit: int) -> int:
    """The furthest end of a part that begins at `start`."""
    end = min(start + limit, len(text))
    while (excess := units(text[start:end]) - limit) > 0:
        end -= (excess + 1) // 2
    return end


def _best_cut(text: str, start: int, end: int) -> int:
    """Behind the last boundary of the best kind in the second half; else behind any space; else at the very end."""
    half = start + (end - start) // 2
    for boundary in _BOUNDARIES:
        # A boundary may reach over the end: what is behind the end is the next part's.
        found = [match.end() for match in boundary.finditer(text, half, end)]
        if found:
            return found[-1]
    spaces = [match.end() for match in _BOUNDARIES[-1].finditer(text, start, half)]
    return spaces[-1] if spaces else end


def _divide(pieces: Iterable[Piece], ends: Iterable[int]) -> Iterator[list[Piece]]:
    """The pieces of each part; one that reaches over an end is divided."""
    rest = deque(pieces)
    position = 0
    for end in ends:
        part: list[Piece] = []
        while rest and position < end:
            piece = rest.popleft()
            inside, outside = piece.text[: end - position], piece.text[end - position :]
            part.append(Piece(inside, piece.styles))
            position += len(inside)
            if outside:
                rest.appendleft(Piece(outside, piece.styles))
        yield part


def _trimmed(part: list[Piece]) -> deque[Piece]:
    """Without the blank lines and spaces at both ends, which Telegram would not show; but code keeps its indent."""
    pieces = deque(part)
    while pieces and not pieces[0].text.strip():
        pieces.popleft()
    while pieces and not pieces[-1].text.strip():
        pieces.pop()
    if pieces:
        first = pieces[0]
        text = re.sub(r"\A(?:[^\S\n]*\n)+", "", first.text) if _is_code(first) else first.text.lstrip()
        pieces[0] = Piece(text, first.styles)
        pieces[-1] = Piece(pieces[-1].text.rstrip(), pieces[-1].styles)
    return pieces


def _is_code(piece: Piece) -> bool:
    return any(style.tag in ("pre", "code") for style in piece.styles)


# --------------------------------------------------------------------- HTML


def _html(pieces: Iterable[Piece]) -> str:
    output: list[str] = []
    open_styles: list[Style] = []
    for piece in pieces:
        common = 0
        while common < min(len(open_styles), len(piece.styles)) and open_styles[common] == piece.styles[common]:
            common += 1
        output += [_closing(style) for style in reversed(open_styles[common:])]
        output += [_opening(style) for style in piece.styles[common:]]
        output.append(html.escape(piece.text, quote=False))
        open_styles[common:] = piece.styles[common:]
    output += [_closing(style) for style in reversed(open_styles)]
    return "".join(output)


def _opening(style: Style) -> str:
    if style.tag == "a":
        return f'<a href="{html.escape(style.argument)}">'
    language = re.sub(r"[^A-Za-z0-9_+#.-]", "", style.argument)
    return f'<pre><code class="language-{language}">' if language else f"<{style.tag}>"


def _closing(style: Style) -> str:
    language = style.tag == "pre" and re.search(r"[A-Za-z0-9_+#.-]", style.argument)
    return "</code></pre>" if language else f"</{style.tag}>"
