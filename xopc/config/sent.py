"""Values that were sent for the configuration: whether a file can hold them, and whether they say anything new."""

from __future__ import annotations

import json
import math
import re
from typing import cast

from xopc.contracts.convert import JsonObject

MAX_KEY_CHARS = 128

_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f/\\\ud800-\udfff]")
_HALF = re.compile(r"[\ud800-\udfff]")
_RESERVED = {"", ".", "..", "__proto__", "constructor", "prototype"}
"""Keys that mean something else to those who read them as a path, or as a member of a JavaScript object."""


def wrong_key(key: str) -> str | None:
    """Why a key of the sender's own choice is refused, or None."""
    if len(key) > MAX_KEY_CHARS:
        return f"the key is longer than {MAX_KEY_CHARS} characters"
    if key in _RESERVED or _UNFIT.search(key):
        return "is no key: use other characters, without slashes and control characters"
    return None


def wrong_value(value: object) -> str | None:
    """Why a text or a number is refused, or None."""
    match value:
        case str() if "\0" in value:
            return "holds a NUL"
        case str() if _HALF.search(value):
            return "holds half a surrogate pair, which no encoding can carry"
        case float() if not math.isfinite(value):
            return "must be a number of ordinary size"
        case _:
            return None


def is_same(one: object, other: object) -> bool:
    """Whether two values of JSON say the same. 1 is 1.0, but it is not true."""
    if isinstance(one, dict) and isinstance(other, dict):
        ours, theirs = cast("JsonObject", one), cast("JsonObject", other)
        return ours.keys() == theirs.keys() and all(is_same(value, theirs[key]) for key, value in ours.items())
    if isinstance(one, list) and isinstance(other, list):
        items, others = cast("list[object]", one), cast("list[object]", other)
        return len(items) == len(others) and all(map(is_same, items, others))
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def spelled_out(value: object) -> str:
    """A text that two values share where they are written alike, whatever the order of their keys."""
    return json.dumps(value, sort_keys=True)
