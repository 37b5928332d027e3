"""Bad input of every kind, on every route of the running gateway: told with the envelope, and nothing is changed."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
from jsonschema import Draft202012Validator

from tests.e2e.harness import TOKEN, Gateway, write_config
from xopc.contracts.api.headers import IdempotencyHeaders
from xopc.contracts.convert import JsonObject, keys_of
from xopc.contracts.errors import Failure
from xopc.contracts.schemas import Schemas
from xopc.contracts.whole import whole_of
from xopc.server.api import ROUTES
from xopc.server.routes import Route
from xopc.server.wire.headers import SECURITY_HEADERS

BEARER = f"Authorization: Bearer {TOKEN}"
JSON = "Content-Type: application/json"
LEAK = re.compile(r"Traceback|\.py\b|site-packages|Error\(|object at 0x|<class|Attribute\(")
CODES = {(failure.code, failure.http.value) for failure in Failure} | {("INVALID_REQUEST", 431)}

TAKING = [route for route in ROUTES if route.request]
OF_EACH_TYPE: list[Any] = [1.5, "x", True, [], {}, None]
STRICT = [route for route in TAKING if route.request and attrs.has(route.request)]
NAMED = [route for route in ROUTES if "{" in route.path]
GUARDED = [route for route in ROUTES if route.scope]

BODIES = {
    "nothing but a brace": (b"{", "The body is not JSON: "),
    "two values": (b"{}{}", "The body is not JSON: Extra data"),
    "a list": (b"[]", "$: must be an object, not a list"),
    "a text": (b'"x"', "$: must be an object, not a text"),
    "null": (b"null", "$: must be an object, not null"),
    "an unknown key": (b'{"zzz": 1}', "$.zzz: unknown key"),
    "a key of another language": (b'{"__class__": {"a": 1}}', "$.__class__: unknown key"),
    "a huge number": (b'{"zzz": ' + b"9" * 100_000 + b"}", "The body is not JSON: it holds a number of more than"),
    "an endless number": (b'{"zzz": 1e99999}', "The body is not JSON: it holds a number that is too large"),
    "no number": (b'{"zzz": NaN}', "The body is not JSON: NaN is not a JSON number"),
    "a deep list": (b"[" * 300_000, "The body is not JSON: it is nested too deeply"),
    "deep objects": (b'{"a":' * 100_000, "The body is not JSON: it is nested too deeply"),
    "objects too deep to be written again": (b'{"customData":' * 950 + b"{}" + b"}" * 950, "it is nested too deeply"),
    "bytes that are no text": (b'{"zzz": "\xff\xfe"}', "The body is not JSON: it is not UTF-8 from byte 9 on"),
    "a null byte": (b"\x00", "The body is not JSON: "),
    "half a surrogate pair": (b'{"\\ud800": 1}', "unknown key"),
    "no text at all": (bytes(range(256)), "The body is not JSON: "),
}
HEADS = {
    "two hosts": ["Host: localhost", "Host: example.com"],
    "no host": [],
    "two lengths": ["Host: localhost", "Content-Length: 2", "Content-Length: 3"],
    "a length below zero": ["Host: localhost", "Content-Length: -1"],
    "a length that is none": ["Host: localhost", "Content-Length: 0x2"],
    "a null byte": ["Host: localhost", "X-Odd: a\0b"],
    "a blank before the colon": ["Host: localhost", "X-Odd : a"],
    "more than fits": ["Host: localhost", *(f"X-Odd-{number}: {'a' * 1000}" for number in range(90))],
    "chunks that are none": ["Host: localhost", "Transfer-Encoding: chunked", "", "zz\r\nhello\r\n"],
    "chunks and a length": ["Host: localhost", "Content-Length: 7", "Transfer-Encoding: chunked", "", "0\r\n\r\n"],
}
NAMES = ["..", "%2e%2e", "%2e%2e%2fetc%2fpasswd", "..%5c..", "%00", "a%00b", "%ff", "%ed%a0%80", "a%0d%0ab", "a" * 1025]


class Answer:
    """What came back."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def message(self) -> str:
        return json.loads(self.body)["error"]["message"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, no_real_home: None) -> Iterator[Gateway]:
    """One for all of them: whoever changes it shows in what `unchanged` compares."""
    home = tmp_path_factory.mktemp("bad-input")
    write_config(home, {"gateway": {"auth": {"token": TOKEN}}})
    gateway = Gateway(home, "--port", "0")
    try:
        yield gateway.wait_until_ready()
    finally:
        gateway.kill()


@pytest.fixture(autouse=True)
def unchanged(gateway: Gateway) -> Iterator[None]:
    """Nothing that a client can see, and not the configuration, is different after the test."""
    before = state(gateway)
    yield
    assert state(gateway) == before


def state(gateway: Gateway) -> list[Any]:
    health = gateway.health()
    pages = ["/api/sessions", *(f"/api/outbound?state={state}" for state in ("dead", "pending", "inflight", "sent"))]
    config = (gateway.state / "xopc.json").read_bytes()
    return [health["bootId"], health["generation"], config, *(gateway.request("GET", page).body for page in pages)]


def attributes(cls: object) -> Iterator[tuple[str, JsonObject, JsonObject]]:
    """The key of each attribute of a class, its schema, and the components that this refers to."""
    schemas = Schemas()
    for attribute, schema in list(schemas.attributes(cast("type[attrs.AttrsInstance]", cls), sent=False)):
        yield keys_of(attribute)[0], schema, schemas.components


def send(gateway: Gateway, data: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", gateway.port), timeout=30)
    client.sendall(data)
    return client


def read(client: socket.socket, method: str = "POST") -> Answer:
    with closing(client):
        response = HTTPResponse(client, method=method)
        response.begin()
        return Answer(response)


def head(route: Route, *lines: str, name: str = "x", query: str = "") -> bytes:
    target = re.sub(r"\{\w+\}", name, route.path) + query
    return "\r\n".join([f"{route.method} {target} HTTP/1.1", *lines, "", ""]).encode()


def whole(route: Route, *lines: str, body: bytes = b"", name: str = "x", query: str = "") -> bytes:
    size = [f"Content-Length: {len(body)}"] if body else []
    return head(route, "Host: localhost", BEARER, *size, *lines, name=name, query=query) + body


def refused(gateway: Gateway, answer: Answer, case: object) -> str:
    """The message of a refusal; fails unless it is one as it should be."""
    assert 400 <= answer.status < 500, case
    assert answer.headers["Content-Type"] == "application/json", case
    for header, value in SECURITY_HEADERS.items():
        assert answer.headers.get_all(header) == [value], case
    document = json.loads(answer.body)
    assert document.keys() == {"error"}, case
    assert document["error"].keys() == {"code", "message"}, case
    assert (document["error"]["code"], answer.status) in CODES, case
    text = answer.body.decode()
    assert LEAK.search(text) is None, (case, text)
    assert str(gateway.home) not in text, case
    assert str(Path(__file__).parents[2]) not in text, case
    assert len(text) < 10_000, case
    return document["error"]["message"]


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_not_as_it_should_be_is_refused_by_every_route(gateway: Gateway, name: str) -> None:
    body, problem = BODIES[name]
    for route in STRICT if "unknown key" in problem else TAKING:
        answer = read(send(gateway, whole(route, JSON, body=body)))
        assert problem in refused(gateway, answer, route), route
        assert answer.status == 400, route


@pytest.mark.parametrize("route", STRICT, ids=str)
def test_each_key_of_a_body_is_refused_with_its_path_where_its_value_is_of_another_type(
    gateway: Gateway, route: Route
) -> None:
    if whole_of(cast("type", route.request)) is not None:
        return  # an object of any keys
    for key, schema, components in attributes(route.request):
        validator: Any = Draft202012Validator({**schema, "components": {"schemas": components}})
        for value in OF_EACH_TYPE:
            if not validator.is_valid(value):
                answer = read(send(gateway, whole(route, JSON, body=json.dumps({key: value}).encode())))
                problem = refused(gateway, answer, (key, value))
                assert re.search(rf"\$\.{key}[:.\[]", problem), (key, value, problem)


@pytest.mark.parametrize(
    ("lines", "status", "problem"),
    [
        (["Content-Type: text/plain"], 415, "The body is text/plain."),
        (["Content-Type: multipart/form-data; boundary=x"], 415, "The body is multipart/form-data."),
        ([JSON, "Content-Encoding: gzip"], 415, "Content-Encoding"),
        ([JSON, "Content-Type: text/plain"], 400, "more than one Content-Type"),
    ],
)
def test_a_body_of_another_type_or_encoding_is_refused(
    gateway: Gateway, lines: list[str], status: int, problem: str
) -> None:
    for route in TAKING:
        answer = read(send(gateway, whole(route, *lines, body=b"{}")))
        assert problem in refused(gateway, answer, route)
        assert answer.status == status, route


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_two_readers_would_read_differently_is_refused(gateway: Gateway, name: str) -> None:
    lines, _, rest = "\r\n".join(HEADS[name]).partition("\r\n\r\n")
    for route in ROUTES:
        if rest and not (route.request or route.method == "GET"):
            continue  # it ignores what follows its head
        data = head(route, *(line for line in lines.split("\r\n") if line), BEARER, JSON) + rest.encode()
        refused(gateway, read(send(gateway, data), route.method), (route, name))


@pytest.mark.parametrize(
    "data", [b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n"]
)
def test_what_is_no_http_is_refused(gateway: Gateway, data: bytes) -> None:
    assert read(send(gateway, data)).status == 400


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "FETCH", "PROPFIND"])
def test_an_unknown_method_is_refused_with_those_that_there_are(gateway: Gateway, method: str) -> None:
    for route in ROUTES:
        asked = attrs.evolve(route, method=method)
        answer = read(send(gateway, whole(asked)), method)
        refused(gateway, answer, asked)
        assert answer.status == 405, route
        assert route.method in answer.headers["Allow"].split(", "), route


def test_a_body_on_get_is_refused(gateway: Gateway) -> None:
    for route in ROUTES:
        if route.method == "GET":
            answer = read(send(gateway, whole(route, JSON, body=b"{}")))
            assert refused(gateway, answer, route).startswith("GET takes no body."), route


@pytest.mark.parametrize("name", NAMES)
def test_a_trick_in_a_name_reaches_nothing(gateway: Gateway, name: str) -> None:
    for route in NAMED:
        answer = read(send(gateway, whole(route, name=name)))
        refused(gateway, answer, (route, name))
        assert answer.status in (400, 404, 405), route


def test_a_name_that_is_none_is_told_by_its_place(gateway: Gateway) -> None:
    for route in NAMED:
        answer = read(send(gateway, whole(route, name="%00")))
        assert refused(gateway, answer, route).startswith("path {"), route


def test_each_parameter_of_a_query_is_refused_by_its_name(gateway: Gateway) -> None:
    for route in ROUTES:
        for key, schema, _ in attributes(route.query) if route.query else ():
            if "$ref" in schema or "integer" in schema.get("type", ()):
                for value in ("zzz", "1e9", "9" * 400, "%ff", "-9999999999999999999"):
                    answer = read(send(gateway, whole(route, query=f"?{key}={value}")))
                    assert f"?{key}: must be " in refused(gateway, answer, (route, key, value))


def test_a_parameter_that_is_given_twice_is_refused(gateway: Gateway) -> None:
    for route in ROUTES:
        for key, _, _ in attributes(route.query) if route.query else ():
            answer = read(send(gateway, whole(route, query=f"?{key}=1&{key}=1")))
            assert f"?{key}: is given more than once" in refused(gateway, answer, (route, key))


def test_a_query_that_is_no_ascii_is_refused(gateway: Gateway) -> None:
    for route in ROUTES:
        data = whole(route, query="?x=y").replace(b"x=y", b"x=\xff")
        refused(gateway, read(send(gateway, data)), route)


def test_two_credentials_are_none(gateway: Gateway) -> None:
    for route in GUARDED:
        data = head(route, "Host: localhost", BEARER, "Authorization: Bearer an-invented-wrong-token")
        answer = read(send(gateway, data))
        refused(gateway, answer, route)
        assert answer.status == 401, route


def test_an_over_long_idempotency_key_is_refused(gateway: Gateway) -> None:
    good = {"message": "Hello", "channel": "webchat", "chat_id": "a", "content": "Hello"}
    for route in STRICT:
        if route.headers is IdempotencyHeaders:
            known = {key for key, _, _ in attributes(route.request)}
            body = json.dumps({key: value for key, value in good.items() if key in known}).encode()
            answer = read(send(gateway, whole(route, JSON, f"Idempotency-Key: {'a' * 257}", body=body)))
            assert refused(gateway, answer, route).startswith("Idempotency-Key: must match ")


def test_bodies_that_do_not_arrive_are_given_up(gateway: Gateway) -> None:
    """All of them wait at the same time, for the 10 seconds that a body may take."""
    waiting = [
        send(gateway, head(route, "Host: localhost", BEARER, JSON, "Content-Length: 9") + b"{") for route in TAKING
    ]
    for route, client in zip(TAKING, waiting, strict=True):
        answer = read(client)
        assert "did not arrive" in refused(gateway, answer, route)
        assert answer.status == 408


def test_a_body_that_is_too_large_is_refused(gateway: Gateway) -> None:
    for route in TAKING:
        answer = read(send(gateway, head(route, "Host: localhost", BEARER, JSON, f"Content-Length: {2**31}") + b"{"))
        refused(gateway, answer, route)
        assert answer.status == 413
