"""From the text of `xopc.json` to its values: JSON, or JSON with comments and what else JSON5 allows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, cast

from xopc.contracts.convert import JsonObject

MAX_DEPTH = 32
"""Levels of objects and lists. JSON5's reader is recursive and ends a little above."""


class NotJsonError(ValueError):
    """The text is not a configuration. The message says why, where, and what to do."""


def parse(text: str) -> tuple[JsonObject, bool]:
    """The object in the text, and whether it is plain JSON, so that it can be written back without loss.

    Raises:
        NotJsonError: with line and column where they are known.
    """
    if not text.strip():
        raise NotJsonError("is empty: write {} into it, or delete it")
    if "\0" in text:
        raise NotJsonError(f"is not JSON: {position(text, text.index(chr(0)))}: a NUL: save the file as UTF-8")
    try:
        value, plain = _parse(text)
    except RecursionError:
        raise NotJsonError(_TOO_DEEP) from None
    if is_deeper(value, MAX_DEPTH):
        raise NotJsonError(_TOO_DEEP)
    if not isinstance(value, dict):
        raise NotJsonError("must hold an object: begin with { and end with }")
    return cast("JsonObject", value), plain


def position(text: str, index: int) -> str:
    """Line and column of an index, both from 1."""
    start = text.rfind("\n", 0, index) + 1
    return f"line {text.count(chr(10), 0, index) + 1}, column {index - start + 1}"


_TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels"


def _parse(text: str) -> tuple[object, bool]:
    try:
        return json.loads(text, object_pairs_hook=_unique), True
    except NotJsonError:
        raise
    except json.JSONDecodeError as error:
        plain_error = (error.lineno, error.colno, error.msg[:1].lower() + error.msg[1:])
    except ValueError as error:  # a number of thousands of digits
        raise NotJsonError(f"is not JSON: {error}") from None
    return _parse_json5(text, plain_error), False


def _parse_json5(text: str, plain_error: tuple[int, int, str]) -> object:
    """The value of a text that is no plain JSON. Of the two errors, the one further on says what is wrong."""
    import json5  # noqa: PLC0415  only a file that needs it pays for it

    try:
        return cast("object", json5.loads(text, object_pairs_hook=_unique))
    except NotJsonError:
        raise
    except ValueError as error:
        found = re.search(r":(\d+) Unexpected (.*) at column (\d+)$", str(error), re.DOTALL)
        if found is None:
            raise NotJsonError(f"is not JSON: {error}") from None
        json5_error = (int(found[1]), int(found[3]), f"unexpected {_readable(found[2])}")
    line, column, what = json5_error if json5_error[:2] > plain_error[:2] else plain_error
    raise NotJsonError(f"is not JSON: line {line}, column {column}: {what}")


def _readable(unexpected: str) -> str:
    """What JSON5's reader did not expect: a character in quotes, or the end of the input."""
    character = unexpected[1:-1] if unexpected.startswith('"') else ""
    if character in ("\n", "\r"):
        return "end of line"
    return f"character {character!r}" if character else unexpected


def _unique(pairs: Iterable[tuple[str, Any]]) -> JsonObject:
    """An object. The second of two equal keys would silently undo the first, such as a whole `auth`."""
    values: JsonObject = {}
    for key, value in pairs:
        if key in values:
            raise NotJsonError(f"has the key {json.dumps(key[:64])} twice in one object: keep one")
        values[key] = value
    return values


def is_deeper(value: object, levels: int) -> bool:
    level = [value]
    for _ in range(levels + 1):
        level = [item for container in level for item in _items(container)]
    return bool(level)


def _items(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast("JsonObject", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()
