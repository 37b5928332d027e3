from __future__ import annotations

import pytest
import trio
from quart_trio import QuartTrio
from trio.testing import MockClock

from tests.fakes.asgi import ask
from tests.fakes.generation import BEARER, Generation
from xopc.server.body import BODY_SECONDS, MAX_BODY_BYTES

JSON = (b"content-type", b"application/json")


async def test_a_stranger_is_refused_before_the_body_is_looked_at(app: QuartTrio) -> None:
    answer = await ask(app, "POST", "/api/restart", [(b"content-type", b"text/plain")], b"{", more=True)
    assert answer.status == 401


async def test_a_missing_body_counts_as_an_empty_object(app: QuartTrio, generation: Generation) -> None:
    form = (b"content-type", b"application/x-www-form-urlencoded")
    assert (await ask(app, "POST", "/api/restart", [BEARER])).status == 202
    assert (await ask(app, "POST", "/api/restart", [BEARER, JSON])).status == 202
    assert (await ask(app, "POST", "/api/restart", [BEARER, form], b"")).status == 202
    assert generation.restarts == ["POST /api/restart"] * 3


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (b"application/json", 202),
        (b"Application/JSON; charset=utf-8", 202),
        (b"application/problem+json", 202),
        (b"", 202),
        (b"text/plain", 415),
        (b"application/x-www-form-urlencoded", 415),
        (b"multipart/form-data; boundary=x", 415),
        (b"\xff\xfe", 415),
    ],
)
async def test_a_body_is_json_or_names_no_type(app: QuartTrio, kind: bytes, status: int) -> None:
    answer = await ask(app, "POST", "/api/restart", [BEARER, (b"content-type", kind)], b"{}")
    assert answer.status == status
    if status == 415:
        assert answer.error[0] == "INVALID_REQUEST"
        assert "application/json" in answer.error[1]


async def test_a_problem_in_the_body_is_named_with_its_path(app: QuartTrio, generation: Generation) -> None:
    answer = await ask(app, "POST", "/api/restart", [BEARER], b'{"reason": 5, "reasn": 1}')
    assert (answer.status, answer.error[0]) == (400, "INVALID_REQUEST")
    assert "$.reason: " in answer.error[1]
    assert "$.reasn: " in answer.error[1]
    assert generation.restarts == []


async def test_a_body_that_is_too_large_is_refused_at_once_when_it_says_so(app: QuartTrio) -> None:
    size = (b"content-length", str(MAX_BODY_BYTES + 1).encode())
    answer = await ask(app, "POST", "/api/restart", [BEARER, JSON, size], b"{", more=True)
    assert (answer.status, answer.error[0]) == (413, "INVALID_REQUEST")
    assert "1024 KiB" in answer.error[1]
    assert answer.headers["connection"] == "close"


async def test_a_body_that_grows_too_large_is_refused_while_it_comes(app: QuartTrio) -> None:
    answer = await ask(app, "POST", "/api/restart", [BEARER, JSON], b" " * (MAX_BODY_BYTES + 1), more=True)
    assert answer.status == 413


async def test_a_body_of_the_largest_size_is_taken(app: QuartTrio) -> None:
    answer = await ask(app, "POST", "/api/restart", [BEARER], b"{}" + b" " * (MAX_BODY_BYTES - 2))
    assert answer.status == 202


async def test_a_body_that_does_not_end_is_given_up(app: QuartTrio, autojump_clock: MockClock) -> None:
    before = trio.current_time()
    answer = await ask(app, "POST", "/api/restart", [BEARER], b"{", more=True)
    assert trio.current_time() - before == pytest.approx(BODY_SECONDS)
    assert (answer.status, answer.error[0]) == (408, "INVALID_REQUEST")
    assert answer.headers["connection"] == "close"


async def test_a_route_without_a_request_class_ignores_the_body(talking: QuartTrio) -> None:
    odd = (b"content-type", b"text/plain")
    answer = await ask(talking, "DELETE", "/api/sessions/none", [BEARER, odd], b"{" * MAX_BODY_BYTES * 2)
    assert (answer.status, answer.error[0]) == (404, "SESSION_NOT_FOUND")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("more", [True, False])
async def test_a_body_where_a_method_has_no_use_for_one_is_refused(app: QuartTrio, method: str, more: bool) -> None:
    chunked = [(b"transfer-encoding", b"chunked")] if more else []
    answer = await ask(app, method, "/api/status", [BEARER, *chunked], b"{}", more=more)
    assert (answer.status, answer.error) == (
        400,
        ("INVALID_REQUEST", f"{method} takes no body. Send what is asked in the query."),
    )
    assert (await ask(app, method, "/api/status", [BEARER], b"")).status == 200


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"GZIP, identity", b"\xff"])
async def test_a_body_in_an_encoding_is_refused(app: QuartTrio, generation: Generation, encoding: bytes) -> None:
    coded = (b"content-encoding", encoding)
    answer = await ask(app, "POST", "/api/restart", [BEARER, JSON, coded], b"{}")
    assert (answer.status, answer.error[0]) == (415, "INVALID_REQUEST")
    assert "Content-Encoding" in answer.error[1]
    assert generation.restarts == []


@pytest.mark.parametrize("encoding", [b"identity", b"", b" Identity "])
async def test_a_body_in_no_encoding_may_say_so(app: QuartTrio, encoding: bytes) -> None:
    assert (await ask(app, "POST", "/api/restart", [BEARER, (b"content-encoding", encoding)], b"{}")).status == 202


async def test_two_ways_to_find_the_end_of_a_body_are_refused(app: QuartTrio, generation: Generation) -> None:
    answer = await ask(app, "POST", "/api/restart", [BEARER, JSON, (b"transfer-encoding", b"chunked")], b"{}")
    assert (answer.status, answer.error[0]) == (400, "INVALID_REQUEST")
    assert "Transfer-Encoding" in answer.error[1]
    assert generation.restarts == []


async def test_two_types_of_one_body_are_refused(app: QuartTrio, generation: Generation) -> None:
    answer = await ask(app, "POST", "/api/restart", [BEARER, JSON, (b"content-type", b"text/plain")], b"{}")
    assert (answer.status, answer.error[0]) == (400, "INVALID_REQUEST")
    assert generation.restarts == []


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"{", "The body is not JSON: Expecting property name"),
        (b"{}{}", "The body is not JSON: Extra data"),
        (b"\xff\xfe{\x00}\x00", "The body is not JSON: it is not UTF-8 from byte 0 on"),
        (b"\xef\xbb\xbf{}", "The body is not JSON: Unexpected UTF-8 BOM"),
        (b'{"reason": NaN}', "The body is not JSON: NaN is not a JSON number"),
        (b"[-Infinity]", "The body is not JSON: -Infinity is not a JSON number"),
        (b"[" * 200_000, "The body is not JSON: it is nested too deeply"),
        (b'{"reason": ' * 50_000 + b"1" + b"}" * 50_000, "The body is not JSON: it is nested too deeply"),
        (b"9" * 5000, "The body is not JSON: it holds a number of more than 1000 digits"),
        (b"9" * 1000, "$: must be an object"),
        (b"[]", "$: must be an object"),
        (b"null", "$: must be an object"),
        (b"1e308", "$: must be an object"),
        (b"1e309", "The body is not JSON: it holds a number that is too large"),
        (b'{"reason": [{"a": [-1e999]}]}', "The body is not JSON: it holds a number that is too large"),
        (b"[" * 100 + b"]" * 100, "$: must be an object"),
        (b"[" * 101 + b"]" * 101, "The body is not JSON: it is nested too deeply"),
        (b'{"a": ' * 500 + b"1" + b"}" * 500, "The body is not JSON: it is nested too deeply"),
        (b'[{"a": ' * 51 + b"1" + b"}]" * 51, "The body is not JSON: it is nested too deeply"),
        (b'{"reason": "\\ud800"}', "$.reason: "),
        (b'{"reason": "' + b"x" * 201 + b'"}', "$.reason: "),
        (b'{"\\ud800": 1}', '$["\\ud800"]: unknown key'),
    ],
)
async def test_what_is_wrong_with_a_body_is_said(
    app: QuartTrio, generation: Generation, body: bytes, complaint: str
) -> None:
    answer = await ask(app, "POST", "/api/restart", [BEARER], body)
    assert (answer.status, answer.error[0]) == (400, "INVALID_REQUEST")
    assert answer.error[1].startswith(complaint)
    assert generation.restarts == []


async def test_of_a_key_given_twice_the_last_counts(app: QuartTrio, generation: Generation) -> None:
    assert (await ask(app, "POST", "/api/restart", [BEARER], b'{"reason": "a", "reason": "b"}')).status == 202
    assert generation.restarts == ["b"]
