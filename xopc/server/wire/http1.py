"""HTTP/1.1 and the WebSocket handshake: hypercorn's protocol, with fewer writes and our own refusals."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus

import h11
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.events import Data, Event as StreamEvent, Response
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.ws_stream import WSStream
from hypercorn.typing import H11SendableEvent

from xopc.contracts.api.status import ErrorBody, ErrorDetail
from xopc.contracts.convert import unstructure
from xopc.contracts.errors import Failure
from xopc.server.wire.headers import SECURITY_HEADERS

MAX_HEAD_BYTES = 16 * 1024
"""Of a head that did not arrive in one piece; one that did may be as large as one read."""
PING_SECONDS = 20
"""Between two pings to a WebSocket client: below the 30 s after which careless middleboxes forget a connection."""

_CLOSE = (b"connection", b"close")
_REFUSALS: Mapping[int, tuple[Failure, str]] = {
    HTTPStatus.BAD_REQUEST: (Failure.INVALID_REQUEST, "The request is malformed."),
    HTTPStatus.FORBIDDEN: (Failure.FORBIDDEN, "The WebSocket connection was refused."),
    HTTPStatus.REQUEST_TIMEOUT: (Failure.INVALID_REQUEST, "The head of the request did not arrive in time."),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (Failure.INVALID_REQUEST, "The head of the request is too large."),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        Failure.INTERNAL_ERROR,
        "The gateway failed to answer this request. Its log tells more.",
    ),
    HTTPStatus.NOT_IMPLEMENTED: (Failure.INVALID_REQUEST, "Of transfer encodings only chunked is understood."),
}
_FINISHED = (h11.DONE, h11.MUST_CLOSE, h11.CLOSED)
_UNFINISHED = (h11.SEND_BODY, h11.ERROR, None)
"""States of a client after which no further request can be understood. None is a WebSocket's."""


class Rules(Config):
    """hypercorn's configuration for all connections of one server."""

    accesslog = None
    errorlog = None
    h11_max_incomplete_size = MAX_HEAD_BYTES
    include_server_header = False
    websocket_ping_interval = PING_SECONDS

    is_draining = False
    """Every further response closes its connection."""

    _headers: tuple[int, list[tuple[bytes, bytes]]] = (0, [])

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        """The date, formatted once a second."""
        second = int(time.time())
        if self._headers[0] != second:
            self._headers = (second, super().response_headers(protocol))
        return self._headers[1]


class Http1(H11Protocol):
    """One connection's protocol. A head whose body's length is known waits for the body, and leaves with it."""

    config: Rules
    _held = b""
    _refuses_head = False
    """Whether a `HEAD` is refused, whose answer has no body."""

    @property
    def has_next_request(self) -> bool:
        """Whether a request has begun to arrive that is not under way yet."""
        return self.stream is None and bool(self.connection.trailing_data[0])

    @property
    def expects_more(self) -> bool:
        """Whether the client may still be sending: the rest of a body, another request, a WebSocket's farewell."""
        return self.connection.their_state not in _FINISHED or bool(self.connection.trailing_data[0])

    def take_held(self) -> bytes:
        """What was composed but not sent, where the application ended before the body began."""
        held, self._held = self._held, b""
        return held

    def as_chunk(self, data: bytes) -> bytes:
        """A part of a body that is sent in chunks, as it travels; empty where no body is being sent.

        What h11 would make of it, which keeps no account of chunks.
        """
        return b"%x\r\n%b\r\n" % (len(data), data) if self.connection.our_state is h11.SEND_BODY else b""

    async def refuse(self, status: int, message: str | None = None) -> None:
        """Answer a request whose head is not complete; without a message, with that of the status."""
        await self._begin_refusal(status, message)
        await self._send_h11_event(h11.EndOfMessage())

    async def handle(self, event: Event) -> None:
        try:
            await super().handle(event)
        except h11.RemoteProtocolError as error:
            await self._send_error_response(error.error_status_hint)
            await self.send(Closed())
        stream = self.stream
        if isinstance(stream, WSStream) and (
            stream.closed or stream.buffer.length > self.config.websocket_max_message_size
        ):
            # Refused, or told 1009: hypercorn would leave the one open, and go on collecting the message of the other.
            await self._maybe_recycle()

    async def stream_send(self, event: StreamEvent) -> None:
        if isinstance(event, Response) and event.status_code >= HTTPStatus.OK:
            if isinstance(self.stream, WSStream) and event.headers == [(b"content-length", b"0"), _CLOSE]:
                # hypercorn's own refusal of a handshake has no body.
                await self._begin_refusal(event.status_code)
                return
            if self.config.is_draining or self.connection.their_state in _UNFINISHED:
                event = replace(event, headers=[*event.headers, _CLOSE])
        await super().stream_send(event)
        if isinstance(event, Data):
            await trio.lowlevel.checkpoint()  # a write that does not block gives way to nobody

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        try:
            data = self.connection.send(event)
        except h11.LocalProtocolError:
            # To a request that was refused half-way: the application answers, too.
            if self.connection.their_state is not h11.ERROR:
                raise
            return
        held = self.take_held()
        if isinstance(event, h11.Response) and any(name == b"content-length" for name, _ in event.headers):
            self._held = data
        elif held or data:
            await self.send(RawData(held + data))
            if isinstance(event, h11.Data) and not held:
                await trio.lowlevel.checkpoint()  # as above: a stream of chunks

    async def _check_protocol(self, event: h11.Request) -> None:
        """HTTP/1 only: an `Upgrade: h2c` is ignored, and the preface of HTTP/2 malformed. A handshake is ASCII."""
        is_handshake_odd = any(n.startswith(b"sec-websocket-") and not value.isascii() for n, value in event.headers)
        if is_handshake_odd or not event.http_version.startswith(b"1."):
            self._refuses_head = event.method == b"HEAD"
            raise h11.RemoteProtocolError("Not understood", error_status_hint=HTTPStatus.BAD_REQUEST)

    async def _send_error_response(self, status_code: int) -> None:
        await self.refuse(status_code)

    async def _begin_refusal(self, status: int, message: str | None = None) -> None:
        body = refusal(status, message)
        headers = [*self.config.response_headers("h11"), *refusal_headers(body), _CLOSE]
        await self._send_h11_event(h11.Response(status_code=status, headers=headers))
        if not self._refuses_head:
            await self._send_h11_event(h11.Data(data=body))


def refusal(status: int, message: str | None = None) -> bytes:
    """The JSON body of an answer that the server gives without the application."""
    failure, usual = _REFUSALS.get(status, (Failure.INVALID_REQUEST, HTTPStatus(status).phrase))
    return json.dumps(unstructure(ErrorBody(ErrorDetail(failure.code, message or usual)))).encode()


def refusal_headers(body: bytes) -> list[tuple[bytes, bytes]]:
    """The headers of such an answer."""
    return [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        *((name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()),
    ]
