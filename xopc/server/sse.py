"""Server-sent events: frames on the wire, and a response that lasts as long as its source has any.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from types import TracebackType
from typing import Protocol

import trio
from attrs import frozen
from hypercorn.typing import HTTPScope
from quart.wrappers.response import ResponseBody
from quart_trio.wrappers import TrioResponse

from xopc.contracts.frames import Frame
from xopc.server.wire.exchange import SendPart, part_sender

EVENT_STREAM = "text/event-stream"
HEARTBEAT_SECONDS = 15
"""Between two signs of life: below the 30 s after which careless middleboxes forget a connection."""
SLACK_SECONDS = 5
"""So much earlier such a sign may come, where events come all the time: more than that is left for any write."""

COMMENT = b": ping\n\n"
"""A sign of life that no client has to know."""

_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


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


def streamed(
    stream: EventStream, is_admitted: Callable[[], bool], scope: HTTPScope, *, has_body: bool = True
) -> TrioResponse:
    """The response to a request for a stream; without its body, to `HEAD`.

    It ends as soon as it would have something to say to a client that `is_admitted` is not true of any more.
    """
    body = _Body(stream, is_admitted, part_sender(scope)) if has_body else b""
    response = TrioResponse(body, HTTPStatus.OK, _HEADERS, content_type=EVENT_STREAM)
    response.timeout = None  # it lasts as long as it lasts
    return response


class _Body(ResponseBody):
    """Quart enters it when the head of the response has been sent, and leaves it in any case."""

    def __init__(self, stream: EventStream, is_admitted: Callable[[], bool], send: SendPart | None) -> None:
        self._stream = stream
        self._is_admitted = is_admitted
        self._send = send
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
        """What Quart is to send. Where there is a shorter way to the client it gets nothing but the end."""
        if self._send is not None:
            await self._pour(self._send)
            raise StopAsyncIteration
        part = None
        with trio.move_on_after(HEARTBEAT_SECONDS):
            part = await self._receive()
        if part is None:
            part = self._sign_of_life()
        if not part:
            raise StopAsyncIteration
        return part

    async def _pour(self, send: SendPart) -> None:
        """Send all that there is. One deadline for the silence serves many parts, and is put off when it comes near:
        whoever is cancelled while he sends breaks off the connection."""
        while True:
            with trio.move_on_after(HEARTBEAT_SECONDS) as silence:
                while part := await self._receive():
                    now = trio.current_time()
                    if silence.deadline - now < HEARTBEAT_SECONDS - SLACK_SECONDS:
                        silence.deadline = now + HEARTBEAT_SECONDS
                    await send(part)
                return
            if not (sign := self._sign_of_life()):
                return
            await send(sign)

    async def _receive(self) -> bytes:
        """Empty at the end."""
        frames = await self._source.receive()
        return b"".join([frame.encoded for frame in frames]) if self._is_admitted() else b""

    def _sign_of_life(self) -> bytes:
        return self._stream.heartbeat if self._is_admitted() else b""
