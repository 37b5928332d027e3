"""What a request says beside its body, in its path, query and headers: from texts to a value of the route's class."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar, cast, get_args, get_origin, get_type_hints

import attrs

from xopc.contracts.convert import keys_of, structure
from xopc.contracts.errors import InvalidValueError, Problem
from xopc.contracts.limits import PATH_TEXT

T = TypeVar("T")

_LONGEST_NUMBER = 18
_INDEX = re.compile(r"\[\d+\]$")
"""Of an item of a list, which is no list in a query."""


def check_path(path: Mapping[str, str]) -> None:
    """Refuse parameters of a path that name nothing, whatever the route.

    Raises:
        InvalidValueError: with each that holds control characters or broken UTF-8, or is too long.
    """
    problem = f"must have 1 to {PATH_TEXT.most} characters, all of them UTF-8, and no control characters"
    if bad := [Problem(f"path {{{name}}}", problem) for name, text in path.items() if not PATH_TEXT.takes(text)]:
        raise InvalidValueError(*bad)


def check_once(pairs: Sequence[tuple[str, str]], kind: type[object] | None) -> None:
    """Refuse a parameter that `kind` has and that is given twice: two readers could take either.

    Raises:
        InvalidValueError: with each such parameter.
    """
    if kind is None:
        return
    names = [name for name, _ in pairs]
    known = [key for attribute in attrs.fields(cast("type[attrs.AttrsInstance]", kind)) for key in keys_of(attribute)]
    problem = "is given more than once; send it once, a list with commas"
    if repeated := [Problem(f"?{key}", problem) for key in known if names.count(key) > 1]:
        raise InvalidValueError(*repeated)


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
    return _read(values, kind, "?")


def read_headers(headers: Mapping[str, str], kind: type[T]) -> T:
    """The headers that `kind` has, whose keys are their names; all are texts. `headers` has them in lower case.

    Raises:
        InvalidValueError: with each header that is not as it should be.
    """
    names = [keys_of(attribute)[0] for attribute in attrs.fields(cast("type[attrs.AttrsInstance]", kind))]
    return _read({name: headers[name.lower()] for name in names if name.lower() in headers}, kind, "")


def _read(values: Mapping[str, object], kind: type[T], sign: str) -> T:
    try:
        return structure(values, kind)
    except InvalidValueError as error:
        raise InvalidValueError(*(Problem(sign + _name(path), what) for path, what in error.problems)) from None


def _name(path: str) -> str:
    """A JSON path without its root. A header's name is no plain word, so it is quoted there."""
    return path[3:-2] if path.startswith('$["') else _INDEX.sub("", path.removeprefix("$."))


def _typed(text: str, kind: object) -> object:
    """The JSON value that a parameter stands for, or its text, which is then refused as what it is."""
    if get_origin(kind) is tuple:
        return [item for part in text.split(",") if (item := part.strip())]
    is_number = text.isascii() and text.removeprefix("-").isdigit() and len(text) <= _LONGEST_NUMBER
    return int(text) if is_number and int in (kind, *get_args(kind)) else text
