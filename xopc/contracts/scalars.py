"""What a value of JSON that stands alone is taken for, as it is written: a truth, a number, a text, an id.

Each is a hook of the converter: it gets the value, and the kind that is wanted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import NoneType
from typing import Any, TypeAlias, cast, get_args

from xopc.contracts.limits import MAX_WHOLE

JsonObject: TypeAlias = "dict[str, Any]"


class MismatchError(ValueError):
    """A value is not of the kind that it should be. The text says what it should be."""


def boolean(value: object, _: object) -> bool:
    """1 is not true."""
    if not isinstance(value, bool):
        raise MismatchError(f"must be true or false, not {shape_of(value)}")
    return value


def whole_number(value: object, _: object) -> int:
    """ "5" is none; 1.0 is."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MismatchError(f"must be a whole number, not {shape_of(value)}")
    if abs(value) > MAX_WHOLE:
        raise MismatchError(f"must be a whole number of at most {MAX_WHOLE}")
    return value


def number(value: object, _: object) -> float:
    """Whole or not, and finite."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise MismatchError(f"must be a number, not {shape_of(value)}")
    try:
        read = float(value)
    except OverflowError:
        read = math.inf
    if not math.isfinite(read):
        raise MismatchError("must be a number of ordinary size")
    return read


def text(value: object, _: object) -> str:
    """One that an encoding can carry."""
    if not isinstance(value, str):
        raise MismatchError(f"must be a text, not {shape_of(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise MismatchError("holds half a surrogate pair, which no encoding can carry") from None
    return value


def text_or_number_hook(kind: object) -> Callable[[object, object], str | int | None]:
    """Of ids, which some platforms spell as numbers."""
    takes_null = NoneType in get_args(kind)

    def structure_text_or_number(value: object, _: object) -> str | int | None:
        if value is None and takes_null:
            return None
        if isinstance(value, str):
            return text(value, str)
        if (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, float) and value.is_integer()
        ):
            return whole_number(value, int)
        raise MismatchError(f"must be a text or a whole number, not {shape_of(value)}")

    return structure_text_or_number


def object_of(value: object) -> JsonObject:
    """An object, whatever is in it."""
    if isinstance(value, dict):
        return cast("JsonObject", value)
    raise MismatchError(f"must be an object, not {shape_of(value)}")


def shape_of(value: object) -> str:
    """What kind of value it is, for a message that must not show it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case "":
            return "an empty text"
        case str():
            return f"a text of length {len(value)}"
        case dict():
            return "an object"
        case _:
            return "a list"
