"""TLS on connections, over loopback. Where time matters it is the clock's, which jumps when nothing else happens."""

from __future__ import annotations

import json
import socket
import ssl
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from hypercorn.typing import ASGIFramework as ASGIApp, ASGIReceiveCallable, ASGISendCallable, Scope
from structlog.testing import capture_logs
from trio.testing import MockClock
from trio_websocket import wrap_client_stream

from tests.fakes.certificates import Authority, Pair
from tests.fakes.records import Records
from tests.fakes.wire import Served, answer, hello, serving
from xopc.config.certificate import load_certificate
from xopc.config.tls import TlsFiles
from xopc.server.wire.connection import LINGER_SECONDS

HUGE = b"x" * 16_000_000
"""More than the kernel buffers for anybody."""
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def clock() -> MockClock:
    """Jumps once nothing has happened for a moment: what is on its way over loopback arrives first."""
    return MockClock(autojump_threshold=0.01)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


def context_of(pair: Pair) -> ssl.SSLContext:
    return load_certificate(TlsFiles(pair.certificate, pair.key), "xopc.json").context


@pytest.fixture(scope="module")
def ours(authority: Authority) -> ssl.SSLContext:
    """The server's."""
    return context_of(authority.issue())


@pytest.fixture
def theirs(authority: Authority) -> ssl.SSLContext:
    """A client's."""
    return authority.client()


@asynccontextmanager
async def secure_serving(app: ASGIApp, context: ssl.SSLContext, **patience: float) -> AsyncGenerator[Served]:
    async with serving(app, **patience) as served:
        served.server.use_tls(context)
        yield served


# ------------------------------------------------------------------ what is spoken


async def scheme(scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    assert scope["type"] == "http"
    await answer(send, scope["scheme"].encode())


async def test_requests_are_answered_and_the_application_knows_that_they_are_secure(
    ours: ssl.SSLContext, theirs: ssl.SSLContext
) -> None:
    theirs.set_alpn_protocols(["h2", "http/1.1"])
    async with secure_serving(scheme, ours) as served, await served.connect_securely(theirs) as client:
        for _ in range(3):
            assert (await client.get()).body == b"https"
        assert client.tls.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_versions_carry_an_upload_and_a_download(
    ours: ssl.SSLContext, theirs: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    theirs.minimum_version = theirs.maximum_version = version

    async def echo(_scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        await answer(send, body)

    body = bytes(range(256)) * 8000
    async with secure_serving(echo, ours) as served, await served.connect_securely(theirs) as client:
        await client.say(f"POST / HTTP/1.1\nHost: localhost\nContent-Length: {len(body)}\n\n")
        await client.say(body)
        assert (await client.reply()).body == body
        assert (await client.get()).body == b""


async def test_a_websocket_is_spoken_as_wss(ours: ssl.SSLContext, theirs: ssl.SSLContext) -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        assert scope["type"] == "websocket"
        await receive()
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        await send({"type": "websocket.send", "text": scope["scheme"], "bytes": None})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    async with (
        secure_serving(app, ours) as served,
        await served.connect_securely(theirs) as wire,
        trio.open_nursery() as nursery,
    ):
        websocket = await wrap_client_stream(nursery, wire.stream, "localhost", "/")
        assert await websocket.get_message() == "wss"
        nursery.cancel_scope.cancel()


async def test_a_client_of_plain_http_is_told_what_to_do(ours: ssl.SSLContext) -> None:
    async with secure_serving(hello, ours) as served, await served.connect() as client:
        reply = await client.get()
        assert (reply.status, reply.headers["connection"]) == (400, "close")
        error = json.loads(reply.body)["error"]
        assert error["code"] == "INVALID_REQUEST"
        assert error["message"].startswith("This port speaks HTTPS: use https://")
        assert await client.rest() == b""


async def test_it_is_told_so_in_the_middle_of_its_upload(ours: ssl.SSLContext, clock: MockClock) -> None:
    async with secure_serving(hello, ours) as served, await served.connect() as client:
        await client.say(f"POST / HTTP/1.1\nHost: localhost\nContent-Length: {len(HUGE)}\n\n")
        await client.say(HUGE)
        assert (await client.reply()).status == 400
        assert await client.rest() == b""
        await served.until_connections(0)
        assert trio.current_time() <= LINGER_SECONDS + 2


async def test_a_client_of_tls_is_refused_by_a_plain_port(theirs: ssl.SSLContext) -> None:
    with capture_logs() as logs:
        async with serving(hello) as served:
            client = await served.connect()
            with pytest.raises(trio.BrokenResourceError):
                await trio.SSLStream(client.stream, theirs, server_hostname="localhost").do_handshake()
            await client.stream.aclose()
            await served.until_connections(0)
    assert logs == []


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x00\x05hello", b"\x00" * 100, b"\x80\x2e\x01\x00\x02" * 20, b"\r\n\r\n\r\n"]
)
async def test_garbage_ends_its_connection_and_is_worth_a_line_for_debugging(
    ours: ssl.SSLContext, garbage: bytes
) -> None:
    with capture_logs() as logs:
        async with secure_serving(hello, ours) as served, await served.connect() as client:
            await client.say(garbage)
            await client.rest()
            await client.stream.aclose()
            await served.until_connections(0)
    assert [line["log_level"] for line in logs] == ["debug"]


async def test_a_client_that_does_not_trust_the_certificate_leaves_quietly(ours: ssl.SSLContext) -> None:
    """Not trio's, for that keeps to itself what it thinks of a certificate."""

    def ask(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as plain, pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")

    with capture_logs() as logs:
        async with secure_serving(hello, ours) as served:
            await trio.to_thread.run_sync(ask, served.port)
            await served.until_connections(0)
    assert [line["log_level"] for line in logs] == ["debug"]


async def test_one_that_only_looks_whether_somebody_listens_is_worth_none(ours: ssl.SSLContext) -> None:
    with capture_logs() as logs:
        async with secure_serving(hello, ours) as served:
            await (await served.connect()).stream.aclose()
            await trio.testing.wait_all_tasks_blocked(0.05)
            await served.until_connections(0)
    assert logs == []


# ------------------------------------------------------------------------ records


async def test_several_records_that_arrive_at_once_are_all_read(ours: ssl.SSLContext, theirs: ssl.SSLContext) -> None:
    async with secure_serving(hello, ours) as served:
        records = await Records.connect(served, theirs)
        await records.wire.say(b"".join(records.seal(GET) for _ in range(3)))
        text = b""
        while text.count(b"hello") < 3:
            text += await records.heard()
        await records.wire.stream.aclose()


async def test_a_request_whose_record_arrives_byte_by_byte_is_answered(
    ours: ssl.SSLContext, theirs: ssl.SSLContext, clock: MockClock
) -> None:
    async with secure_serving(hello, ours, head_seconds=20) as served:
        records = await Records.connect(served, theirs)
        await trio.sleep(15)
        sealed = records.seal(GET)
        for at in range(len(sealed)):
            await records.wire.say(sealed[at : at + 1])
            await trio.sleep(0.15)
        assert (await records.heard()).endswith(b"hello")
        await records.wire.stream.aclose()


async def test_a_record_that_never_gets_whole_is_a_head_that_comes_too_slowly(
    ours: ssl.SSLContext, theirs: ssl.SSLContext, clock: MockClock
) -> None:
    async with secure_serving(hello, ours, head_seconds=20, keep_alive_seconds=75) as served:
        records = await Records.connect(served, theirs)
        await records.wire.say(records.seal(GET))
        assert (await records.heard()).endswith(b"hello")
        await records.wire.say(records.seal(GET)[:20])
        began = trio.current_time()
        assert (await records.heard()).startswith(b"HTTP/1.1 408")
        assert 20 <= trio.current_time() - began <= 22
        await records.wire.stream.aclose()


async def test_a_client_that_only_stops_sending_still_gets_its_answer(
    ours: ssl.SSLContext, theirs: ssl.SSLContext
) -> None:
    """Its farewell comes in the same piece as its request, and nothing after that."""
    async with secure_serving(hello, ours) as served:
        records = await Records.connect(served, theirs)
        request = records.seal(GET)
        with pytest.raises(ssl.SSLWantReadError):
            records.tls.unwrap()
        await records.wire.say(request + records.outgoing.read())
        text = b""
        while piece := await records.wire.piece():
            text += piece
        records.incoming.write(text)
        assert records.tls.read(65536).endswith(b"hello")
        await served.until_connections(0)
        await records.wire.stream.aclose()


async def test_a_connection_that_breaks_off_in_a_body_is_told_to_the_application(
    ours: ssl.SSLContext, theirs: ssl.SSLContext
) -> None:
    left = trio.Event()

    async def app(_scope: Scope, receive: ASGIReceiveCallable, _send: ASGISendCallable) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    with capture_logs() as logs:
        async with secure_serving(app, ours) as served:
            records = await Records.connect(served, theirs)
            await records.wire.say(records.seal(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"))
            await records.wire.say(records.seal(b"67890")[:8])
            await records.wire.stream.aclose()
            await left.wait()
            await served.until_connections(0)
    assert [line["log_level"] for line in logs] == []


async def test_a_record_that_was_tampered_with_ends_the_connection(
    ours: ssl.SSLContext, theirs: ssl.SSLContext
) -> None:
    with capture_logs() as logs:
        async with secure_serving(hello, ours) as served:
            records = await Records.connect(served, theirs)
            sealed = bytearray(records.seal(GET))
            sealed[-1] ^= 1
            await records.wire.say(bytes(sealed))
            while await records.wire.piece():
                pass
            await records.wire.stream.aclose()
            await served.until_connections(0)
    assert [line["log_level"] for line in logs] == ["debug"]


# ------------------------------------------------------------------------- ends


async def test_a_handshake_that_does_not_come_is_waited_for_as_long_as_a_first_request(
    ours: ssl.SSLContext, clock: MockClock
) -> None:
    async with secure_serving(hello, ours, head_seconds=20) as served, await served.connect() as client:
        await client.say(b"\x16\x03\x01\x02\x00\x01")
        assert await client.rest() == b""
        assert 20 <= trio.current_time() <= 22


async def test_an_idle_connection_is_closed_after_its_time_with_a_farewell(
    ours: ssl.SSLContext, theirs: ssl.SSLContext, clock: MockClock
) -> None:
    async with (
        secure_serving(hello, ours, keep_alive_seconds=75) as served,
        await served.connect_securely(theirs) as client,
    ):
        await client.get()
        began = trio.current_time()
        assert await client.rest() == b"", "without a farewell this is a BrokenResourceError"
        assert 75 <= trio.current_time() - began <= 77


async def test_a_client_that_asks_for_it_gets_its_answer_and_a_farewell(
    ours: ssl.SSLContext, theirs: ssl.SSLContext
) -> None:
    async with secure_serving(hello, ours) as served, await served.connect_securely(theirs) as client:
        await client.say("GET / HTTP/1.1\nHost: localhost\nConnection: close\n\n")
        assert (await client.rest()).endswith(b"hello")
        await served.until_connections(0)


async def test_a_client_that_is_refused_in_the_middle_of_its_body_sees_the_answer(
    ours: ssl.SSLContext, theirs: ssl.SSLContext
) -> None:
    async def refuse(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await answer(send, b"too large", 413)

    async with secure_serving(refuse, ours) as served, await served.connect_securely(theirs) as client:
        await client.say(f"POST / HTTP/1.1\nHost: localhost\nContent-Length: {len(HUGE)}\n\n")
        await client.say(HUGE)
        assert (await client.reply()).status == 413
        assert await client.rest() == b""


async def send_much(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    await answer(send, HUGE[:2_000_000])


async def test_a_client_that_stops_reading_is_cut_off(
    ours: ssl.SSLContext, theirs: ssl.SSLContext, clock: MockClock
) -> None:
    async with (
        secure_serving(send_much, ours, write_seconds=3) as served,
        await served.connect_securely(theirs, receive_bytes=4096) as client,
    ):
        with capture_logs() as logs:
            await client.say(GET)
            await served.until_connections(0)
        assert 3 <= trio.current_time() <= 4
        assert [line["client"] for line in logs] == ["127.0.0.1"]
        with pytest.raises(trio.BrokenResourceError):
            await client.rest()


async def test_a_client_that_reads_slowly_gets_everything_and_the_farewell(
    ours: ssl.SSLContext, theirs: ssl.SSLContext, clock: MockClock
) -> None:
    async with (
        secure_serving(send_much, ours, write_seconds=3) as served,
        await served.connect_securely(theirs, receive_bytes=65536) as client,
    ):
        await client.say("GET / HTTP/1.1\nHost: localhost\nConnection: close\n\n")
        received = b""
        while piece := await client.piece():
            received += piece
            await trio.sleep(0.2)
        assert received.endswith(b"\r\n\r\n" + HUGE[:2_000_000])
        assert trio.current_time() > 10
        await served.until_connections(0)


async def test_a_client_that_is_gone_is_told_to_nobody_but_the_application(
    ours: ssl.SSLContext, theirs: ssl.SSLContext
) -> None:
    with capture_logs() as logs:
        async with secure_serving(hello, ours) as served:
            records = await Records.connect(served, theirs)
            records.wire.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await records.wire.say(records.seal(GET))
            await records.wire.stream.aclose()
            await served.until_connections(0)
    assert logs == []
