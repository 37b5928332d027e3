"""Server-sent events: frames on the wire, and a response that lasts as long as its source has any.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from types import TracebackType
from typing import Protocol

import structlog
import trio
from attrs import frozen
from quart.wrappers.response import ResponseBody
from quart_trio.wrappers import TrioResponse
from structlog.typing import FilteringBoundLogger

from xopc.contracts.convert import unstructure

EVENT_STREAM = "text/event-stream"
HEARTBEAT_SECONDS = 15
"""Between two signs of life: below the 30 s after which careless middleboxes forget a connection."""

COMMENT = b": ping\n\n"
"""A sign of life that no client has to know."""

_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_log: FilteringBoundLogger = structlog.get_logger("xopc.server")


@frozen
class Frame:
    """One event of a stream."""

    event: str
    data: object
    """A value of the contracts, or JSON."""
    id: str | None = None

    def encode(self) -> bytes:
        """The frame as it travels. Data that JSON cannot carry becomes an error of its own: none ends a stream."""
        lines = [f"event: {self.event}", f"data: {_json(self.event, self.data)}", "", ""]
        if self.id is not None:
            lines.insert(0, f"id: {self.id}")
        # Half a surrogate pair has no UTF-8; the escape that stands in for it is JSON.
        return "\n".join(lines).encode(errors="backslashreplace")


class Source(Protocol):
    """Where the frames of one stream come from."""

    async def receive(self) -> Sequence[Frame]:
        """What has happened since, at least one frame; none at the end.

        *Cancellation*: loses no frame.
        """
        ...


@frozen
class EventStream:
    """A stream as a handler gives it: nothing is open before its response has begun, so nothing can be left open."""

    open: Callable[[], AbstractAsyncContextManager[Source]]
    heartbeat: bytes = COMMENT
    """Sent after 15 seconds of silence."""


def streamed(stream: EventStream, is_admitted: Callable[[], bool], *, has_body: bool = True) -> TrioResponse:
    """The response to a request for a stream; without its body, to `HEAD`.

    It ends as soon as it would have something to say to a client that `is_admitted` is not true of any more.
    """
    body = _Body(stream, is_admitted) if has_body else b""
    response = TrioResponse(body, HTTPStatus.OK, _HEADERS, content_type=EVENT_STREAM)
    response.timeout = None  # it lasts as long as it lasts
    return response


class _Body(ResponseBody):
    """Quart enters it when the head of the response has been sent, and leaves it in any case."""

    def __init__(self, stream: EventStream, is_admitted: Callable[[], bool]) -> None:
        self._stream = stream
        self._is_admitted = is_admitted
        self._opened = stream.open()
        self._source: Source

    async def __aenter__(self) -> _Body:
        self._source = await self._opened.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._opened.__aexit__(kind, error, traceback)

    def __aiter__(self) -> _Body:
        return self

    async def __anext__(self) -> bytes:
        frames: Sequence[Frame] | None = None
        with trio.move_on_after(HEARTBEAT_SECONDS):
            frames = await self._source.receive()
        if (frames is not None and not frames) or not self._is_admitted():
            raise StopAsyncIteration
        return self._stream.heartbeat if frames is None else b"".join(frame.encode() for frame in frames)


def _json(event: str, data: object) -> str:
    try:
        return _dumps(unstructure(data))
    except (TypeError, ValueError, RecursionError) as error:
        _log.warn("An event could not be sent as JSON.", event_type=event, error=str(error))
        return _dumps({"type": event, "error": "sse_payload_serialize_failed", "message": str(error)})


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
