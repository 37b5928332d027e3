"""What limits a value: validators of attributes that JSON Schema has words for, in those words and in ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from attrs import frozen

_Limits: TypeAlias = "dict[str, Any]"

MAX_WHOLE = 2**53 - 1
"""The largest whole number that every reader of JSON keeps exact: RFC 8259, section 6."""
MAX_ID_CHARS = 256
SOMETIMES: Mapping[str, object] = {"xopc.sometimes": True}
"""Metadata of an attribute that is sent only where it says something."""
VISIBLE = "[^\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]"
"""A character that is not blank. Spelled out, because `\\S` means something else to each reader of a schema."""

_VISIBLE = re.compile(VISIBLE)


@frozen
class Text:
    """Validator: a text of so many characters, one of them visible where any is needed. What is no text passes."""

    least: int
    most: int

    @property
    def limits(self) -> _Limits:
        """In the words of JSON Schema."""
        lengths: _Limits = {"minLength": self.least, "maxLength": self.most}
        return lengths | {"pattern": VISIBLE} if self.least else lengths

    def takes(self, text: str) -> bool:
        return self.least <= len(text) <= self.most and (not self.least or _VISIBLE.search(text) is not None)

    def __call__(self, _: object, __: object, value: object) -> None:
        if isinstance(value, str) and not self.takes(value):
            kind = (
                "characters, and not blanks alone" if len(value) in range(self.least, self.most + 1) else "characters"
            )
            raise ValueError(f"must have {f'{self.least} to' if self.least else 'at most'} {self.most} {kind}")


@frozen
class Texts:
    """Validator: a list of so many texts, each within its limits. What is no list passes."""

    most: int
    each: Text

    @property
    def limits(self) -> _Limits:
        """In the words of JSON Schema."""
        return {"maxItems": self.most, "items": {"type": "string"} | self.each.limits}

    def __call__(self, _: object, __: object, value: tuple[str, ...] | None) -> None:
        if value is not None and len(value) > self.most:
            raise ValueError(f"must have {self.most} at most")
        for text in value or ():
            self.each(None, None, text)


@frozen
class _PathText:
    """What a parameter of a path may be, once it is decoded."""

    most: int = 1024

    @property
    def limits(self) -> _Limits:
        return {"minLength": 1, "maxLength": self.most, "pattern": f"^{_PATH_CHARACTER}+$"}

    def takes(self, text: str) -> bool:
        return 0 < len(text) <= self.most and re.fullmatch(f"{_PATH_CHARACTER}+", text) is not None


_PATH_CHARACTER = "[^\x00-\x1f\x7f/\ufffd]"
"""No control character, and not what stands for bytes that are not UTF-8; a slash ends the parameter."""

ID = Text(1, MAX_ID_CHARS)
"""An id as some platform, or somebody else, spells it."""
NAME = Text(0, MAX_ID_CHARS)
"""A word that is looked up; the empty one is not found, or means what none means."""
PATH_TEXT = _PathText()


def limits_of(validator: object) -> _Limits:
    """What a validator says in JSON Schema's words. attrs keeps its classes private, not their attributes."""
    inner = getattr(validator, "validator", None) or validator
    limits: _Limits = {}
    for part in getattr(inner, "_validators", (inner,)):
        limits |= getattr(part, "limits", {})
        if (shortest := getattr(part, "min_length", None)) is not None:
            limits["minLength"] = shortest
        if (longest := getattr(part, "max_length", None)) is not None:
            limits["maxLength"] = longest
        if (bound := getattr(part, "bound", None)) is not None:
            limits["minimum" if getattr(part, "compare_op", "") == ">=" else "maximum"] = bound
        if (pattern := getattr(part, "pattern", None)) is not None:
            limits["pattern"] = f"^(?:{pattern.pattern})$"
    return limits


def in_words(validator: object) -> str | None:
    """What one of attrs' own validators wants, without the value that it refuses; None for any other."""
    inner = getattr(validator, "validator", None) or validator
    if any(not type(part).__module__.startswith("attr") for part in getattr(inner, "_validators", (inner,))):
        return None
    limits = limits_of(validator)
    wants = [
        _range("be", "", limits.get("minimum"), limits.get("maximum")),
        _range("have", " characters", limits.get("minLength"), limits.get("maxLength")),
        f"match {limits['pattern']}" if "pattern" in limits else "",
    ]
    wants = [want for want in wants if want]
    return f"must {' and '.join(wants)}" if wants else None


def _range(verb: str, unit: str, least: object, most: object) -> str:
    if least is None and most is None:
        return ""
    if least is None:
        return f"{verb} at most {most}{unit}"
    return f"{verb} {least} or more{unit}" if most is None else f"{verb} {least} to {most}{unit}"
