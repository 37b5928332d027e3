"""The paths of routes as rules of werkzeug, in which a word of its own is no parameter of another path.

`GET /api/cron/metrics` and `DELETE /api/cron/{id}` are two resources. Werkzeug would take `DELETE /api/cron/metrics`
for the second one, and tell that the first one can be deleted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from werkzeug.routing import BaseConverter, Map

OTHER = "other"
"""Names the converter `Other` in a rule."""


class Other(BaseConverter):
    """Takes any segment of a path but some words."""

    def __init__(self, url_map: Map, *words: str) -> None:
        super().__init__(url_map)
        self.regex = rf"(?!(?:{'|'.join(map(re.escape, words))})\Z)[^/]+"


def rule_of(path: str, paths: Iterable[str]) -> str:
    """The rule of a path with parameters in braces, beside all `paths` that there are."""
    segments = path.split("/")
    taken: dict[int, set[str]] = {}
    for other in paths:
        words = other.split("/")
        if len(words) == len(segments) and all(map(_fits, segments, words)):
            for place, (mine, word) in enumerate(zip(segments, words, strict=True)):
                if _is_parameter(mine) and not _is_parameter(word):
                    taken.setdefault(place, set()).add(word)
    return "/".join(_rule(segment, taken.get(place, set())) for place, segment in enumerate(segments))


def _rule(segment: str, taken: set[str]) -> str:
    if not _is_parameter(segment):
        return segment
    words = ", ".join(f'"{word}"' for word in sorted(taken))
    return f"<{OTHER}({words}):{segment[1:-1]}>" if words else f"<{segment[1:-1]}>"


def _fits(segment: str, word: str) -> bool:
    return segment == word or _is_parameter(segment)


def _is_parameter(segment: str) -> bool:
    return segment.startswith("{")
