"""A log line as a value, as one line of JSON, and as text for a person. Pure.

A line is `{timestamp, level, message, module, …fields}`; what a field may be is whatever the caller had at hand.
"""

from __future__ import annotations

import json
import math
import sys
import traceback
from collections.abc import Mapping, Set
from datetime import datetime
from enum import Enum
from typing import cast

from xopc.core.redact import Plain

MAX_LINE_BYTES = 64 * 1024
"""Of an encoded line, its newline included."""

_MAX_DEPTH = 8
_OWN_KEYS = ("timestamp", "level", "message", "module")
_COLOURS = {"trace": "2", "debug": "2", "info": "32", "warn": "33", "error": "31", "fatal": "1;31"}


def compose(now: datetime, level: str, module: str, message: str, fields: Mapping[str, object]) -> dict[str, Plain]:
    """A line of plain values. A field called like one of the line's own keys gets a `_` behind its name.

    `exc_info` (an exception, a triple of `sys.exc_info`, or True for the one being handled) becomes the field
    `traceback`.
    """
    line: dict[str, Plain] = {
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03}Z",
        "level": level,
        "message": str(plain(message)),
        "module": module,
    }
    for name, value in fields.items():
        if name == "exc_info":
            line.update(_traceback(value))
        else:
            line[f"{name}_" if name in _OWN_KEYS else name] = plain(value)
    return line


def plain(value: object) -> Plain:
    """`value` in what JSON can say; an object is told by its text. Never raises."""
    try:
        return _plain(value, 0)
    except Exception as failure:
        # Whatever an object's own methods raise, or a mapping that another thread writes to.
        return f"<{type(value).__name__}, which {type(failure).__name__} kept from being printed>"


def encode(line: Mapping[str, Plain]) -> bytes:
    """`line` as JSON and a newline, at most `MAX_LINE_BYTES` long.

    Of one that would be longer, first the middles of its long texts are cut out, then all of its fields.
    """
    data = _json(line)
    for limit in (16_384, 4_096, 1_024):
        if len(data) <= MAX_LINE_BYTES:
            return data
        data = _json({name: _shorten(value, limit) for name, value in line.items()})
    if len(data) <= MAX_LINE_BYTES:
        return data
    own = {name: _shorten(line[name], 1_024) for name in _OWN_KEYS}
    return _json({**own, "shortened": f"{len(line) - len(own)} fields were too long and are left out"})


def readable(line: Mapping[str, Plain], *, colour: bool) -> str:
    """`line` for a person: local time, level, message, module, fields; a traceback on lines of its own."""
    at = datetime.fromisoformat(str(line["timestamp"])).astimezone()
    level = str(line["level"])
    fields = " ".join(
        f"{name}={_field(value)}" for name, value in line.items() if name not in (*_OWN_KEYS, "traceback")
    )
    tail = f"[{line['module']}] {fields}".rstrip()
    head = f"{level:5}"
    if colour:
        head, tail = f"\x1b[{_COLOURS[level]}m{head}\x1b[0m", f"\x1b[2m{tail}\x1b[0m"
    text = f"{at:%H:%M:%S} {head} {_printable(str(line['message']))} {tail}\n"
    if "traceback" in line:
        text += "".join(f"  {_printable(row)}\n" for row in str(line["traceback"]).splitlines())
    return text


def _plain(value: object, depth: int) -> Plain:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return _plain(value.value, depth)
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    if depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            members = cast("Mapping[object, object]", value)
            return {str(key): _plain(member, depth + 1) for key, member in members.items()}
        if isinstance(value, list | tuple | Set):
            return [_plain(item, depth + 1) for item in cast("list[object]", value)]
    return str(value)


def _traceback(value: object) -> dict[str, Plain]:
    if value is True:
        value = sys.exception()
    error = cast("tuple[object, ...]", value)[1] if isinstance(value, tuple) else value
    if not isinstance(error, BaseException):
        return {}
    return {"traceback": "".join(traceback.format_exception(error)).rstrip()}


def _json(line: Mapping[str, Plain]) -> bytes:
    # A lone surrogate, such as a file name that is not UTF-8, becomes \udc80: still JSON.
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace") + b"\n"


def _shorten(value: Plain, limit: int) -> Plain:
    if isinstance(value, str):
        if len(value) <= limit:
            return value
        half = limit // 2
        return f"{value[:half]} …{len(value) - 2 * half} characters left out… {value[-half:]}"
    if isinstance(value, Mapping):
        return {name: _shorten(member, limit) for name, member in cast("Mapping[str, Plain]", value).items()}
    if isinstance(value, list):
        return [_shorten(item, limit) for item in value]
    return value


def _field(value: Plain) -> str:
    if isinstance(value, str) and value.isprintable() and value and not any(sign in value for sign in " ="):
        return value
    return _printable(json.dumps(value, ensure_ascii=False))


def _printable(text: str) -> str:
    # A client chooses parts of what is logged; none of it may move a terminal's cursor.
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
