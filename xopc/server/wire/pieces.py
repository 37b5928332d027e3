"""A value as JSON, written in pieces: an answer of fifty megabytes takes a second, in which others have their turns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import cast

import trio

from xopc.contracts.convert import JsonObject, unstructure

PIECE_CHARS = 64 * 1024
"""Written at once, in a millisecond or two."""
FEW = 16
"""Items of a list that are written at once, where none of them is long."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def encoded(value: object) -> bytes:
    """A short value of the contracts as JSON in UTF-8."""
    return _utf8(_encode(unstructure(value)))


async def encoded_in_pieces(value: object) -> bytes:
    """Any value of the contracts as JSON in UTF-8. Does not wait for anything where it is short."""
    written: list[bytes] = []
    since = 0
    for piece in _pieces(unstructure(value)):
        written.append(_utf8(piece))
        since += len(piece)
        if since >= PIECE_CHARS:
            since = 0
            await trio.lowlevel.checkpoint()
    return b"".join(written)


def _pieces(value: object) -> Iterator[str]:
    if not _is_long(value):
        yield _encode(value)
    elif isinstance(value, str):
        yield '"'
        for start in range(0, len(value), PIECE_CHARS):
            yield _encode(value[start : start + PIECE_CHARS])[1:-1]
        yield '"'
    elif isinstance(value, list):
        yield "["
        for index, item in enumerate(cast("list[object]", value)):
            if index:
                yield ","
            yield from _pieces(item)
        yield "]"
    else:
        yield "{"
        for index, (key, item) in enumerate(cast("JsonObject", value).items()):
            yield f"{',' if index else ''}{_encode(key)}:"
            yield from _pieces(item)
        yield "}"


def _is_long(value: object) -> bool:
    if isinstance(value, str):
        return len(value) > PIECE_CHARS
    if isinstance(value, list):
        items = cast("list[object]", value)
        return len(items) > FEW or any(map(_is_long, items))
    return isinstance(value, dict) and any(map(_is_long, cast("JsonObject", value).values()))


def _utf8(text: str) -> bytes:
    # Half a surrogate pair has no UTF-8; the escape that stands in for it is JSON.
    return text.encode(errors="backslashreplace")
