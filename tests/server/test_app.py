from __future__ import annotations

import json
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256

import attrs
import pytest
import trio
from hypothesis import given, strategies as st
from quart_trio import QuartTrio

from tests.fakes.asgi import ask
from tests.fakes.door import open_door, policy
from tests.fakes.generation import BEARER, TOKEN, Generation
from tests.fakes.message_path import MessagePath
from tests.fakes.requests import ask_well
from xopc.contracts.api.status import Health, RestartRequest
from xopc.contracts.auth import AuthMode, Scope
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.settings.access import AccessToken
from xopc.server.api import ROUTES
from xopc.server.api.status import STATUS
from xopc.server.app import build_app
from xopc.server.door.door import Door
from xopc.server.routes import Call, Route
from xopc.server.wire.front import Front
from xopc.server.wire.gate import Gate
from xopc.server.wire.headers import SECURITY_HEADERS
from xopc.server.wire.serve import Server

LIMITED = "an-invented-limited-token"


def open_gate(path: MessagePath | None = None) -> Gate:
    gate = Gate()
    gate.open(Generation(path=path).services())
    return gate


def route(
    handler: Callable[[Call[RestartRequest]], Awaitable[object]], path: str = "/api/test", **changes: object
) -> Route:
    return attrs.evolve(STATUS, path=path, handler=handler, scope=None, **changes)


# routing


async def test_an_unknown_path_is_not_found_without_a_credential(app: QuartTrio) -> None:
    for target in ("/", "/api2", "/api/nothing", "/health/more", "/api//status", "/%00", "/%ff", "/api/%2e%2e"):
        answer = await ask(app, "GET", target)
        assert (answer.status, answer.error[0]) == (404, "NOT_FOUND"), target


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FETCH"])
async def test_a_known_path_with_another_method_names_those_allowed(app: QuartTrio, method: str) -> None:
    answer = await ask(app, method, "/api/status", [BEARER])
    assert (answer.status, answer.error[0]) == (405, "INVALID_REQUEST")
    assert answer.headers["allow"] == "GET, HEAD"
    assert (await ask(app, "GET", "/api/restart", [BEARER])).headers["allow"] == "POST"


async def test_health_takes_no_other_method_either(app: QuartTrio) -> None:
    for path in ("/health", "/api/health"):
        assert (await ask(app, "POST", path)).status == 405
        assert (await ask(app, "GET", path)).json["status"] == "healthy"


async def test_head_is_answered_as_get(app: QuartTrio) -> None:
    head, get = [await ask(app, method, "/api/status", [BEARER]) for method in ("HEAD", "GET")]
    assert head.status == 200
    assert head.headers == get.headers
    assert (await ask(app, "HEAD", "/api/status")).status == 401


async def test_a_trailing_slash_makes_no_difference_and_nothing_is_redirected(app: QuartTrio) -> None:
    assert (await ask(app, "GET", "/health/")).status == 200
    assert (await ask(app, "GET", "/api/status/", [BEARER])).status == 200


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://127.0.0.1:18790/health", 200),
        ("https://[broken/health", 200),
        ("http://127.0.0.1", 404),
        ("*", 404),
        ("", 404),
        ("?x=1", 404),
        ("health", 200),
    ],
)
async def test_any_form_of_request_target_is_answered(app: QuartTrio, target: str, status: int) -> None:
    assert (await ask(app, "GET", target)).status == status


@pytest.mark.parametrize("host", [b"", b"\xff\xfe", b"a" * 300, b"b\xc3\xa4r.example.com", b"[::1", b"x:99999"])
async def test_no_host_header_breaks_the_answer(app: QuartTrio, host: bytes) -> None:
    answer = await ask(app, "GET", "/health", [(b"host", host)])
    assert answer.status == 200
    only = await ask(app, "GET", "/health", [(b"host", host)], replace_host=True)
    assert only.status in (200, 400)


async def test_parameters_reach_the_handler_decoded() -> None:
    seen: list[tuple[object, object]] = []

    async def handler(call: Call[RestartRequest]) -> Health:
        seen.append((call.path, call.query))
        return call.services.health()

    app = build_app(open_gate(), open_door(), (route(handler, "/api/things/{key}"),))
    for key in ("agent:main:webchat:1", "agent%3Amain%3Awebchat%3A1", "%e4%bd%a0"):
        assert (await ask(app, "GET", f"/api/things/{key}?a=1&a=2&b=&c=%ff&token=x")).status == 200
    query = {"a": "1", "b": "", "c": "\ufffd", "token": "x"}
    keys = ["agent:main:webchat:1", "agent:main:webchat:1", "你"]
    assert seen == [({"key": key}, query) for key in keys]


@pytest.mark.parametrize("key", ["%00", "a%0ab", "%ff", "%ed%a0%80", "%7f"])
async def test_a_parameter_with_control_characters_or_broken_utf_8_is_refused(key: str) -> None:
    app = build_app(open_gate(), open_door(), (attrs.evolve(STATUS, path="/api/things/{key}"),))
    answer = await ask(app, "GET", f"/api/things/{key}", [BEARER])
    assert (answer.status, answer.error[0]) == (400, "INVALID_REQUEST")
    assert "path" in answer.error[1]


async def test_a_query_that_is_not_utf_8_is_refused(app: QuartTrio) -> None:
    answer = await ask(app, "GET", "/health?x=\xff")
    assert (answer.status, answer.error) == (400, ("INVALID_REQUEST", "The query is not UTF-8."))


async def test_query_parameters_that_no_route_knows_are_ignored(app: QuartTrio) -> None:
    assert (await ask(app, "GET", "/api/status?verbose=1&&=&x", [BEARER])).status == 200


async def test_a_websocket_handshake_is_refused_with_the_envelope(app: QuartTrio) -> None:
    for target, status in (("/health", 400), ("/ws", 404), ("/ws?x=\xff", 400)):
        answer = await ask(app, "GET", target, kind="websocket")
        assert answer.status == status
        assert answer.error[0] in ("INVALID_REQUEST", "FORBIDDEN", "NOT_FOUND")
        assert answer.headers["x-frame-options"] == "DENY"


def test_declarations_that_cannot_be_served_do_not_build(gate: Gate) -> None:
    with pytest.raises(ValueError, match="GET /api/status is declared twice"):
        build_app(gate, open_door(), (*ROUTES, STATUS))
    with pytest.raises(ValueError, match="GET /api/status has no summary"):
        build_app(gate, open_door(), (attrs.evolve(STATUS, summary=""),))


# door


async def test_each_header_opens_every_route_that_needs_a_credential(talking: QuartTrio, path: MessagePath) -> None:
    for declared in ROUTES:
        if declared.scope is None:
            continue
        for line in (BEARER, (b"authorization", b"bearer " + TOKEN.encode()), (b"x-api-key", TOKEN.encode())):
            answer = await ask_well(talking, path, declared, line)
            assert answer.status == declared.status, declared


async def test_every_route_with_a_scope_refuses_a_stranger(app: QuartTrio, door: Door) -> None:
    strangers = [
        (),
        [(b"x-api-key", b"x" * 4096)],
        [(b"authorization", b"Bearer \xff\x00")],
        [BEARER, (b"x-api-key", b"x")],
    ]
    for declared in ROUTES:
        for lines in strangers:
            door.limiter.unlock()
            answer = await ask(app, declared.method, declared.path, lines)
            if declared.scope is None:
                assert answer.status == 200
            else:
                assert (answer.status, answer.error[0]) == (401, "UNAUTHORIZED")
                assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_token_in_the_query_is_refused_where_a_credential_is_needed(app: QuartTrio) -> None:
    answer = await ask(app, "GET", f"/api/status?token={TOKEN}")
    assert answer.status == 401
    assert "X-Api-Key" in answer.error[1]
    assert (await ask(app, "GET", "/health?token=x")).status == 200


async def test_a_password_travels_like_a_token() -> None:
    app = build_app(open_gate(), open_door("correct horse", AuthMode.PASSWORD))
    for line in ((b"authorization", b"Bearer correct horse"), (b"x-api-key", b"correct horse")):
        assert (await ask(app, "GET", "/api/status", [line])).status == 200
    assert (await ask(app, "GET", "/api/status")).status == 401


async def test_mode_none_needs_no_credential(path: MessagePath) -> None:
    app = build_app(open_gate(path), open_door(None, AuthMode.NONE))
    for declared in ROUTES:
        assert (await ask_well(app, path, declared)).status == declared.status


@pytest.mark.parametrize("held", Scope)
async def test_a_limited_credential_reaches_as_far_as_its_scope(held: Scope, path: MessagePath) -> None:
    limited = policy(tokens=(AccessToken("limited", sha256(LIMITED.encode()).hexdigest(), (held,)),))
    app = build_app(open_gate(path), Door(limited))
    bearer = (b"authorization", f"Bearer {LIMITED}".encode())
    for declared in ROUTES:
        if declared.scope is None or held.includes(declared.scope):
            assert (await ask_well(app, path, declared, bearer)).status == declared.status
        else:
            answer = await ask(app, declared.method, declared.path, [bearer])
            assert answer.status == 403
            assert answer.error == ("FORBIDDEN", f"Missing required scope: {declared.scope.value}")


# errors


async def test_a_failure_of_a_handler_goes_out_as_it_is() -> None:
    async def handler(call: Call[RestartRequest]) -> Health:
        raise XopcError(Failure.CONFLICT, "It is running already.")

    answer = await ask(build_app(open_gate(), open_door(), (route(handler),)), "GET", "/api/test")
    assert (answer.status, answer.error) == (409, ("CONFLICT", "It is running already."))


@pytest.mark.shows_secrets("its log is not the configured one")
async def test_an_error_that_nobody_foresaw_tells_the_client_nothing() -> None:
    async def handler(call: Call[RestartRequest]) -> Health:
        raise RuntimeError(f"/home/ann/{TOKEN}")

    answer = await ask(build_app(open_gate(), open_door(), (route(handler),)), "GET", "/api/test")
    assert (answer.status, answer.error[0]) == (500, "INTERNAL_ERROR")
    assert b"ann" not in answer.body


async def test_an_error_out_of_a_nursery_is_unwrapped() -> None:
    async def fail() -> None:
        raise XopcError(Failure.NOT_FOUND, "No such thing.")

    async def handler(call: Call[RestartRequest]) -> Health:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)
        return call.services.health()

    answer = await ask(build_app(open_gate(), open_door(), (route(handler),)), "GET", "/api/test")
    assert (answer.status, answer.error) == (404, ("NOT_FOUND", "No such thing."))


async def test_every_answer_carries_the_security_headers(gate: Gate, app: QuartTrio) -> None:
    answers = [
        await ask(app, "GET", "/health"),
        await ask(app, "GET", "/nothing"),
        await ask(app, "GET", "/api/status"),
        await ask(app, "GET", "/health?\xff"),
        await ask(app, "POST", "/health"),
        await ask(app, "POST", "/api/restart", [BEARER], b"{"),
        await ask(app, "GET", "/openapi.json"),
    ]
    gate.shut()
    answers.append(await ask(app, "GET", "/health"))
    assert [answer.status for answer in answers] == [200, 404, 401, 400, 405, 400, 200, 503]
    for answer in answers:
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name.lower()] == value


LATIN = st.characters(max_codepoint=255)


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]),
    path=st.sampled_from(["/health", "/api/status", "/api/restart", "/api/things/x", ""]),
    tail=st.text(LATIN, max_size=12),
    lines=st.lists(
        st.tuples(
            st.sampled_from([b"host", b"authorization", b"content-type", b"cookie", b"accept", b"range"]),
            st.binary(max_size=20).map(lambda value: value.translate(None, b"\r\n\0")),  # HTTP lets none of these in
        ),
        max_size=4,
    ),
    body=st.none() | st.binary(max_size=20),
)
async def test_no_request_makes_the_gateway_fail(
    method: str, path: str, tail: str, lines: list[tuple[bytes, bytes]], body: bytes | None
) -> None:
    app = build_app(
        open_gate(), open_door(None, AuthMode.NONE), (*ROUTES, attrs.evolve(STATUS, path="/api/things/{key}"))
    )
    answer = await ask(app, method, path + tail, lines, body)
    assert answer.status < 500
    assert answer.status < 400 or answer.error[0] in ("INVALID_REQUEST", "FORBIDDEN", "NOT_FOUND")
    assert answer.headers["x-frame-options"] == "DENY"


# network


@asynccontextmanager
async def listening(app: QuartTrio) -> AsyncGenerator[int]:
    server = Server(Front(app, open_door(), lambda: (200, b"{}")))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run, [listener])
            yield listener.getsockname()[1]
            nursery.cancel_scope.cancel()


async def exchange(port: int, data: bytes) -> bytes:
    """What the gateway says to some bytes, until it closes."""
    received = b""
    with trio.fail_after(5):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(data)
            async for part in stream:
                received += part
    return received


def message(*parts: str) -> bytes:
    return "\r\n".join((*parts, "", "")).encode()


async def test_one_connection_carries_several_requests(app: QuartTrio) -> None:
    get = message("GET /api/status HTTP/1.1", "Host: localhost", f"X-Api-Key: {TOKEN}")
    post = (
        message("POST /api/restart HTTP/1.1", "Host: localhost", f"Authorization: {TOKEN}", "Content-Length: 2") + b"{}"
    )
    last = message("GET /api/status HTTP/1.1", "Host: localhost", "Connection: close")
    async with listening(app) as port:
        received = await exchange(port, get + post + last)
    heads = [part.split(b"\r\n")[0] for part in received.split(b"HTTP/1.1 ")[1:]]
    assert [head[:3] for head in heads] == [b"200", b"202", b"401"]


async def test_what_follows_a_body_with_two_ends_is_no_request(app: QuartTrio) -> None:
    restart = ("POST /api/restart HTTP/1.1", "Host: localhost", f"X-Api-Key: {TOKEN}", "Content-Length: 6")
    smuggled = message("GET /api/status HTTP/1.1", "Host: localhost", f"X-Api-Key: {TOKEN}")
    async with listening(app) as port:
        received = await exchange(port, message(*restart, "Transfer-Encoding: chunked") + b"0\r\n\r\n" + smuggled)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1 ") == 1
    assert b"\r\nconnection: close" in received


async def test_head_has_the_length_of_the_body_but_no_body(app: QuartTrio) -> None:
    async with listening(app) as port:
        received = await exchange(port, message("HEAD /openapi.json HTTP/1.1", "Host: localhost", "Connection: close"))
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-length: " in head.lower()
    assert body == b""


async def test_a_chunked_body_that_grows_too_large_gets_its_answer(app: QuartTrio) -> None:
    head = message("POST /api/restart HTTP/1.1", "Host: localhost", f"X-Api-Key: {TOKEN}", "Transfer-Encoding: chunked")
    chunk = b"%x\r\n" % 65536 + b" " * 65536 + b"\r\n"
    async with listening(app) as port:
        received = await exchange(port, head + chunk * 17)
    assert received.startswith(b"HTTP/1.1 413 ")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["error"]["code"] == "INVALID_REQUEST"
