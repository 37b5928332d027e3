"""A stream of server-sent events, read as it arrives: standard library only.

The format is that of https://html.spec.whatwg.org/multipage/server-sent-events.html, but for lines that end in a
carriage return alone, which the gateway never sends.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from attrs import frozen

from xopc.client.http import NO_HEADERS, Answer, Client, JsonObject, NoAnswerError

MAX_FRAME_BYTES = 8 * 1024 * 1024
CONTENT_TYPE = "text/event-stream"


@frozen
class Frame:
    """One event of a stream."""

    event: str
    data: JsonObject
    id: str | None = None
    """The last one that was given, so that the stream can be resumed behind it."""


@contextmanager
def open_stream(
    client: Client, path: str, body: Mapping[str, Any], headers: Mapping[str, str] = NO_HEADERS
) -> Generator[Iterator[Frame]]:
    """The frames that a POST answers with, until the other side ends them or the client's time is over.

    Raises:
        NoAnswerError: also while the frames are read, where the connection breaks.
        RefusedError: the gateway answered with an error instead of a stream.
    """
    with client.open("POST", path, body, {"Accept": CONTENT_TYPE, **headers}) as answer:
        if answer.content_type != CONTENT_TYPE:
            raise NoAnswerError(answer.url, f"what answers there does not stream ({answer.content_type})")
        yield _frames(answer)


def _frames(answer: Answer) -> Iterator[Frame]:
    reader = FrameReader()
    while piece := answer.piece():
        yield from reader.feed(piece)
        if reader.waiting_bytes > MAX_FRAME_BYTES:
            raise NoAnswerError(answer.url, f"one of its events is larger than {MAX_FRAME_BYTES // 1024 // 1024} MiB")


class FrameReader:
    """Makes frames of bytes, however these are cut. What is no JSON object, such as an empty ping, is left out."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        """Pieces of the one that is not complete; joined once, for a long one may come in a thousand."""
        self._line_bytes = 0
        self._event = ""
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._id: str | None = None

    @property
    def waiting_bytes(self) -> int:
        """What was read of a frame that is not complete."""
        return self._line_bytes + self._data_bytes

    def feed(self, piece: bytes) -> Iterator[Frame]:
        """The frames that `piece` completes."""
        *lines, rest = piece.split(b"\n")
        for line in lines:
            frame = self._take(b"".join([*self._line, line]).removesuffix(b"\r"))
            self._line, self._line_bytes = [], 0
            if frame is not None:
                yield frame
        self._line.append(rest)
        self._line_bytes += len(rest)

    def _take(self, line: bytes) -> Frame | None:
        if not line:
            return self._complete()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"event":
                self._event = value.decode(errors="replace")
            case b"data":
                self._data.append(value)
                self._data_bytes += len(value)
            case b"id":
                self._id = value.decode(errors="replace")
            case _:
                pass  # a comment, which keeps the connection alive, or a field of a later version
        return None

    def _complete(self) -> Frame | None:
        event, data = self._event or "message", b"\n".join(self._data)
        self._event, self._data, self._data_bytes = "", [], 0
        try:
            value: object = json.loads(data)
        except ValueError:
            return None
        return Frame(event, cast("JsonObject", value), self._id) if isinstance(value, dict) else None
