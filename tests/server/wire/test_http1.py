"""The protocol of one connection, between bytes that a test names and an application; no socket."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import pytest
import trio
from attrs import define, field
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import (
    ASGIFramework as ASGIApp,
    ASGIReceiveCallable,
    ASGISendCallable,
    ConnectionState,
    Scope,
    TaskGroup,
)
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from tests.fakes.wire import answer, hello
from xopc.server.wire.exchange import Exchanges
from xopc.server.wire.http1 import Http1, Rules, refusal

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


@define(eq=False)
class Peer:
    """A client of the protocol."""

    rules: Rules = field(factory=Rules)
    protocol: Http1 = field(init=False)
    writes: list[bytes] = field(factory=list[bytes])
    """Each is one write to the socket."""
    events: list[Event] = field(factory=list[Event])
    """What else the connection was told."""

    async def hear(self, event: Event) -> None:
        if isinstance(event, RawData):
            self.writes.append(event.data)
        else:
            self.events.append(event)

    async def say(self, *pieces: bytes) -> bytes:
        """Send pieces, wait until nothing happens any more, and give all that was written so far."""
        for piece in pieces:
            await self.protocol.handle(RawData(piece))
            await wait_all_tasks_blocked()
        return b"".join(self.writes)

    @property
    def is_closed(self) -> bool:
        return Closed() in self.events


@asynccontextmanager
async def speaking_to(app: ASGIApp) -> AsyncGenerator[Peer]:
    peer = Peer()
    async with trio.open_nursery() as nursery:
        peer.protocol = Http1(
            ASGIWrapper(app),
            peer.rules,
            WorkerContext(None),
            cast("TaskGroup", Exchanges(app, nursery, nursery)),
            ConnectionState({}),
            False,
            ("127.0.0.1", 50000),
            ("127.0.0.1", 18790),
            peer.hear,
        )
        yield peer
        nursery.cancel_scope.cancel()


async def reading(_scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answers with the body of the request."""
    body, more = b"", True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        body += message["body"]
        more = message["more_body"]
    await answer(send, body)


async def accepting(_scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """A WebSocket that listens until the client goes."""
    await receive()
    await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
    while (await receive())["type"] != "websocket.disconnect":
        pass


# -------------------------------------------------------------------- writes


async def test_head_and_body_of_a_known_length_leave_in_one_write() -> None:
    async with speaking_to(hello) as peer:
        await peer.say(GET)
        [response] = peer.writes
        assert response.startswith(b"HTTP/1.1 200 ")
        assert response.endswith(b"\r\n\r\nhello")


async def test_a_part_of_a_body_in_chunks_is_what_h11_makes_of_it_and_nothing_before_or_behind_the_body() -> None:
    parts = (b"one", b"x" * 1000)
    made: list[bytes] = []

    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        made.append(peer.protocol.as_chunk(b"too early"))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        made.extend(peer.protocol.as_chunk(part) for part in parts)
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async with speaking_to(app) as peer:
        await peer.say(GET)
        _, *chunks = peer.writes
        assert peer.protocol.as_chunk(b"too late") == b""
    assert made == [b"", *chunks[:2]]


async def test_so_does_a_response_in_three_messages_as_quart_sends_it() -> None:
    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async with speaking_to(app) as peer:
        await peer.say(GET)
        assert len(peer.writes) == 1
        assert peer.writes[0].endswith(b"\r\n\r\nhello")


async def test_the_parts_of_a_long_body_do_not_wait_for_each_other() -> None:
    more = trio.Event()

    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"ab", "more_body": True})
        await more.wait()
        await send({"type": "http.response.body", "body": b"cd", "more_body": False})

    async with speaking_to(app) as peer:
        assert (await peer.say(GET)).endswith(b"\r\n\r\nab")
        more.set()
        await wait_all_tasks_blocked()
        assert peer.writes[1:] == [b"cd"]


async def test_a_stream_sends_its_head_and_each_chunk_at_once() -> None:
    chunks, source = trio.open_memory_channel[bytes](0)

    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async for chunk in source:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async with speaking_to(app) as peer:
        assert (await peer.say(GET)).endswith(b"Transfer-Encoding: chunked\r\n\r\n")
        await chunks.send(b"data: 1\n\n")
        await wait_all_tasks_blocked()
        assert peer.writes[1:] == [b"9\r\ndata: 1\n\n\r\n"]
        chunks.close()
        await wait_all_tasks_blocked()
        assert peer.writes[2:] == [b"0\r\n\r\n"]
        assert peer.events == [Updated(idle=False), Updated(idle=True)]


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_stream_that_never_waits_lets_others_run(kind: str) -> None:
    async def app(_scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if kind == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        else:
            await receive()
            await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        while True:
            if kind == "http":
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
            else:
                await send({"type": "websocket.send", "bytes": None, "text": "x"})

    async with speaking_to(app) as peer:
        await peer.protocol.handle(RawData(GET if kind == "http" else HANDSHAKE))
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        assert 1 < len(peer.writes) < 50


@pytest.mark.parametrize(
    ("method", "status", "length"), [(b"HEAD", 200, b"5"), (b"GET", 304, b"5"), (b"GET", 204, b"")]
)
async def test_a_head_without_a_body_leaves_by_itself(method: bytes, status: int, length: bytes) -> None:
    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        headers = [(b"content-length", length)] if length else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async with speaking_to(app) as peer:
        await peer.say(GET.replace(b"GET", method))
        [response] = peer.writes
        assert response.endswith(b"\r\n\r\n")
        assert peer.events[-1] == Updated(idle=True)


async def test_a_head_whose_body_never_came_is_still_there_to_take() -> None:
    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        raise ConnectionError

    async with speaking_to(app) as peer:
        assert await peer.say(GET) == b""
        assert peer.is_closed
        assert peer.protocol.take_held().startswith(b"HTTP/1.1 200 ")
        assert peer.protocol.take_held() == b""


async def test_a_response_tells_the_date_and_not_who_made_it() -> None:
    async with speaking_to(hello) as peer:
        response = await peer.say(GET)
        assert b"\r\ndate: " in response
        assert b"server:" not in response.lower()


def test_the_date_is_composed_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = Rules()
    monkeypatch.setattr("time.time", lambda: 1_000_000.25)
    monkeypatch.setattr("hypercorn.config.time", lambda: 1_000_000.25)
    first = rules.response_headers("h11")
    assert first == [(b"date", b"Mon, 12 Jan 1970 13:46:40 GMT")]
    assert rules.response_headers("h11") is first
    monkeypatch.setattr("time.time", lambda: 1_000_001.25)
    monkeypatch.setattr("hypercorn.config.time", lambda: 1_000_001.25)
    assert rules.response_headers("h11") == [(b"date", b"Mon, 12 Jan 1970 13:46:41 GMT")]


# ---------------------------------------------------------- connection: close


async def test_a_connection_stays_open_for_the_next_request() -> None:
    async with speaking_to(hello) as peer:
        response = await peer.say(GET, GET)
        assert response.count(b"HTTP/1.1 200 ") == 2
        assert b"connection:" not in response
        assert not peer.is_closed
        assert not peer.protocol.has_next_request


async def test_requests_that_arrive_together_are_answered_one_after_the_other() -> None:
    async with speaking_to(reading) as peer:
        response = await peer.say(POST + b"abcd" + POST + b"efgh" + GET)
        assert response.index(b"abcd") < response.index(b"efgh")
        assert response.count(b"HTTP/1.1 200 ") == 3


async def test_an_answer_before_the_whole_body_ends_the_connection() -> None:
    async with speaking_to(hello) as peer:
        assert b"connection: close" in await peer.say(POST + b"ab")
        assert peer.is_closed
        assert peer.protocol.expects_more


async def test_an_answer_after_the_whole_body_does_not() -> None:
    async with speaking_to(reading) as peer:
        assert b"connection: close" not in await peer.say(POST, b"ab", b"cd")
        assert not peer.is_closed


async def test_while_draining_every_answer_ends_its_connection() -> None:
    async with speaking_to(hello) as peer:
        await peer.say(GET)
        peer.rules.is_draining = True
        assert (await peer.say(GET)).count(b"connection: close") == 1
        assert peer.is_closed
        assert not peer.protocol.expects_more


async def test_a_body_is_asked_for_where_the_client_waits_for_that() -> None:
    async with speaking_to(reading) as peer:
        assert (await peer.say(POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))).startswith(
            b"HTTP/1.1 100 "
        )
        assert (await peer.say(b"abcd")).endswith(b"\r\n\r\nabcd")


async def test_part_of_a_head_is_noticed() -> None:
    async with speaking_to(hello) as peer:
        await peer.say(GET[:9])
        assert peer.protocol.has_next_request
        await peer.say(GET[9:])
        assert not peer.protocol.has_next_request


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a handshake of TLS", 400),
        (POST.replace(b"4", b"-4"), 400),
        (POST.replace(b"Content-Length: 4", b"Transfer-Encoding: chunked") + b"no length\r\n", 400),
        (POST.replace(b"Content-Length: 4", b"Transfer-Encoding: gzip"), 501),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000, 431),
        (HANDSHAKE.replace(b"Version: 13", b"Version: 12"), 400),
        (HANDSHAKE + b"\x81\x80\x00\x00\x00\x00", 400),
        (HANDSHAKE.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: \xff\r\n\r\n"), 400),
        (HANDSHAKE.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: \xff\r\n\r\n"), 400),
    ],
    ids=[
        "not ASCII",
        "no host",
        "HTTP/2",
        "TLS",
        "negative length",
        "bad chunk",
        "gzip",
        "large head",
        "old WebSocket",
        "early frame",
        "protocol not ASCII",
        "extension not ASCII",
    ],
)
async def test_what_is_not_understood_is_refused_with_the_envelope(request_bytes: bytes, status: int) -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await (accepting if scope["type"] == "websocket" else reading)(scope, receive, send)

    async with speaking_to(app) as peer:
        head, _, body = (await peer.say(request_bytes)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert b"\r\nconnection: close" in head
        assert b"\r\ncontent-type: application/json" in head
        assert b"\r\nx-content-type-options: nosniff" in head
        assert json.loads(body)["error"]["code"] == "INVALID_REQUEST"
        assert peer.is_closed


@pytest.mark.parametrize("odd", [b"2.0\r\nHost: localhost", b"1.1\r\nHost: localhost\r\nSec-WebSocket-Key: \xff"])
async def test_a_head_that_is_not_understood_is_refused_without_a_body(odd: bytes) -> None:
    with capture_logs() as logs:
        async with speaking_to(hello) as peer:
            head, _, body = (await peer.say(b"HEAD / HTTP/" + odd + b"\r\n\r\n")).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 400 ")
            assert body == b""
            assert peer.is_closed
    assert logs == []


async def test_an_answer_to_what_was_refused_half_way_comes_to_nothing() -> None:
    async def app(_scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        await answer(send, b"hello")

    with capture_logs() as logs:
        async with speaking_to(app) as peer:
            await peer.say(POST.replace(b"Content-Length: 4", b"Transfer-Encoding: chunked") + b"no length\r\n")
            await peer.protocol.handle(Closed())
            await wait_all_tasks_blocked()
            assert b"".join(peer.writes).count(b"HTTP/1.1 ") == 1
    assert logs == []


async def test_a_wish_for_http2_is_ignored() -> None:
    wish = (
        b"\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n"
    )
    async with speaking_to(hello) as peer:
        response = await peer.say(GET.replace(b"\r\n\r\n", wish), GET)
        assert response.count(b"HTTP/1.1 200 ") == 2
        assert b"connection: close" not in response


async def test_a_late_head_is_refused_on_request() -> None:
    async with speaking_to(hello) as peer:
        await peer.say(GET[:9])
        await peer.protocol.refuse(408)
        assert b"".join(peer.writes).startswith(b"HTTP/1.1 408 ")


async def test_a_websocket_that_the_application_refuses_gets_the_envelope() -> None:
    async def app(_scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": None})

    async with speaking_to(app) as peer:
        head, _, body = (await peer.say(HANDSHAKE)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 403 ")
        assert json.loads(body)["error"]["code"] == "FORBIDDEN"
        assert peer.is_closed


async def test_a_websocket_that_the_application_answers_gets_that_answer() -> None:
    async def app(_scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        headers = [(b"content-length", b"4")]
        await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"mine", "more_body": False})

    async with speaking_to(app) as peer:
        response = await peer.say(HANDSHAKE)
        assert response.startswith(b"HTTP/1.1 401 ")
        assert response.endswith(b"\r\n\r\nmine")
        assert b"\r\nconnection: close" in response
        assert peer.is_closed


async def test_a_message_beyond_the_limit_ends_the_websocket() -> None:
    ended = trio.Event()

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await accepting(scope, receive, send)
        ended.set()

    async with speaking_to(app) as peer:
        peer.rules.websocket_max_message_size = 10
        await peer.say(HANDSHAKE)
        peer.writes.clear()
        # Text of 20 bytes, not final, masked with zeros.
        assert await peer.say(b"\x01\x94\x00\x00\x00\x00" + b"x" * 20) == b"\x88\x02" + (1009).to_bytes(2, "big")
        assert peer.is_closed
        await ended.wait()


def test_a_refusal_of_any_status_has_the_envelope() -> None:
    assert json.loads(refusal(500))["error"]["code"] == "INTERNAL_ERROR"
    assert json.loads(refusal(505))["error"] == {"code": "INVALID_REQUEST", "message": "HTTP Version Not Supported"}
