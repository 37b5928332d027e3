"""The query of a request: from texts to a value of the route's class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar, cast, get_args, get_origin, get_type_hints

import attrs

from xopc.contracts.convert import keys_of, structure
from xopc.contracts.errors import InvalidValueError, Problem

T = TypeVar("T")

_LONGEST_NUMBER = 18
_INDEX = re.compile(r"\[\d+\]$")
"""Of an item of a list, which is no list in a query."""


def read_query(query: Mapping[str, str], kind: type[T]) -> T:
    """The parameters that `kind` has; others are ignored. A list is written with commas, an empty text counts as none.

    Raises:
        InvalidValueError: with each parameter that is not as it should be.
    """
    cls = cast("type[attrs.AttrsInstance]", kind)
    types = get_type_hints(cls)
    values: dict[str, object] = {}
    for attribute in attrs.fields(cls):
        for key in keys_of(attribute):
            if query.get(key):
                values[key] = _typed(query[key], types[attribute.name])
    try:
        return structure(values, kind)
    except InvalidValueError as error:
        problems = [Problem(f"?{_INDEX.sub('', path.removeprefix('$.'))}", what) for path, what in error.problems]
        raise InvalidValueError(*problems) from None


def _typed(text: str, kind: object) -> object:
    """The JSON value that a parameter stands for, or its text, which is then refused as what it is."""
    if get_origin(kind) is tuple:
        return [item for part in text.split(",") if (item := part.strip())]
    is_number = text.isascii() and text.removeprefix("-").isdigit() and len(text) <= _LONGEST_NUMBER
    return int(text) if is_number and int in (kind, *get_args(kind)) else text
