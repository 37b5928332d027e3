"""How lists are read in pages: so many at most, and from where the page before ended.

A cursor is the place of the last row of a page, so whatever comes or goes meanwhile shifts no page. Lists whose order
changes while they are used, such as that of sessions, have an `offset` instead.
"""

from __future__ import annotations

import re

from attrs import field
from attrs.validators import and_, ge, le, max_len, optional

from xopc.contracts.errors import InvalidValueError, Problem

MAX_PAGE = 500

_MAX_CURSOR_CHARS = 64
_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,20})?")
"""What sqlite can hold."""


def page_limit(default: int = 50) -> int:
    """The parameter `limit` of a list."""
    return field(default=default, validator=and_(ge(1), le(MAX_PAGE)))


def page_cursor() -> str | None:
    """The parameter `cursor` of a list."""
    return field(default=None, validator=optional(max_len(_MAX_CURSOR_CHARS)))


def page_offset() -> int:
    """The parameter `offset` of a list."""
    return field(default=0, validator=ge(0))


def cursor_of(name: str, *place: float) -> str:
    """Where the next page of a list begins, as it travels: behind the row with these numbers."""
    return "_".join((name, *map(repr, place)))


def place_of(cursor: str | None, name: str, length: int) -> tuple[float, ...] | None:
    """The numbers of `cursor_of`, if there is a cursor of the list with this name.

    Raises:
        InvalidValueError: it is none, or one of another list.
    """
    if cursor is None:
        return None
    of, *numbers = cursor.split("_")
    if of != name or len(numbers) != length or not all(map(_NUMBER.fullmatch, numbers)):
        raise InvalidValueError(Problem("?cursor", "is none of this list: it is nextCursor of the page before"))
    return tuple(float(number) if "." in number else int(number) for number in numbers)
