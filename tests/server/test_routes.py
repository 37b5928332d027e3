from __future__ import annotations

from http import HTTPStatus
from typing import Any

import attrs
import pytest

from tests.fakes.generation import Generation
from xopc.contracts.api.status import Health, RestartRequest
from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure
from xopc.server.api import ROUTES
from xopc.server.routes import Call, Route, check, strays


async def handler(call: Call[None]) -> Health:
    return call.services.health()


GOOD = Route(method="GET", path="/api/things/{key}", summary="A thing.", scope=None, handler=handler, response=Health)


@pytest.mark.parametrize("missing", ["method", "path", "summary", "scope", "handler", "response"])
def test_a_route_is_not_made_without_any_of_these(missing: str) -> None:
    everything: dict[str, Any] = {name: getattr(GOOD, name) for name in attrs.fields_dict(Route)}
    Route(**everything)
    del everything[missing]
    with pytest.raises(TypeError, match=missing):
        Route(**everything)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"summary": " "}, "GET /api/things/{key} has no summary"),
        ({"method": "FETCH"}, "FETCH /api/things/{key} has an unknown method"),
        ({"method": "get"}, "get /api/things/{key} has an unknown method"),
        ({"response": None}, "GET /api/things/{key} has neither a response nor frames"),
        ({"media_type": "text/html"}, "GET /api/things/{key} answers text/html, so its response is a str"),
        ({"path": "api/things"}, "GET api/things has a malformed path"),
        ({"path": "/api/things/"}, "GET /api/things/ has a malformed path"),
        ({"path": "/api//things"}, "GET /api//things has a malformed path"),
        ({"path": "/api/<key>"}, "GET /api/<key> has a malformed path"),
        ({"path": "/api/{}"}, "GET /api/{} has a malformed path"),
    ],
)
def test_a_route_that_cannot_be_served_is_named(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below, not as a pattern
        check([GOOD, attrs.evolve(GOOD, **changes)])
    assert str(caught.value).startswith(complaint)


@pytest.mark.parametrize("path", ["/api/things/{key}", "/api/things/{other}"])
def test_the_same_place_twice_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is declared twice"):
        check([GOOD, attrs.evolve(GOOD, path=path)])


def test_one_path_may_have_several_methods() -> None:
    check([GOOD, attrs.evolve(GOOD, method="DELETE"), attrs.evolve(GOOD, path="/")])


def test_the_failures_of_a_route_follow_from_its_declaration() -> None:
    common = {400, 405, 500, 503}
    of_scope = {401, 403, 429}
    of_body = {408, 413, 415}
    assert statuses(GOOD) == common
    assert statuses(attrs.evolve(GOOD, scope=Scope.READ)) == common | of_scope
    assert statuses(attrs.evolve(GOOD, request=RestartRequest)) == common | of_body
    assert statuses(attrs.evolve(GOOD, errors=(Failure.NOT_FOUND, Failure.UNAVAILABLE))) == common | {404}


def test_each_failure_is_listed_once() -> None:
    failures = attrs.evolve(GOOD, errors=(Failure.UNAVAILABLE, Failure.CONFLICT)).failures
    assert len(failures) == len(set(failures))


def test_the_routes_of_the_api_are_these() -> None:
    assert {(str(route), route.scope, route.status) for route in ROUTES} == {
        ("GET /health", None, HTTPStatus.OK),
        ("GET /api/health", None, HTTPStatus.OK),
        ("GET /api/status", Scope.READ, HTTPStatus.OK),
        ("GET /metrics", Scope.READ, HTTPStatus.OK),
        ("GET /api/tree", Scope.READ, HTTPStatus.OK),
        ("POST /api/restart", Scope.ADMIN, HTTPStatus.ACCEPTED),
        ("POST /api/auth/unlock", Scope.ADMIN, HTTPStatus.OK),
        ("POST /api/message", Scope.WRITE, HTTPStatus.OK),
        ("POST /api/message/sync", Scope.WRITE, HTTPStatus.OK),
        ("POST /api/agent", Scope.WRITE, HTTPStatus.OK),
        ("POST /api/agent/resume", Scope.WRITE, HTTPStatus.OK),
        ("POST /api/agent/abort", Scope.WRITE, HTTPStatus.OK),
        ("POST /api/sessions", Scope.WRITE, HTTPStatus.CREATED),
        ("GET /api/sessions", Scope.READ, HTTPStatus.OK),
        ("GET /api/sessions/stats", Scope.READ, HTTPStatus.OK),
        ("GET /api/sessions/chat-ids", Scope.READ, HTTPStatus.OK),
        ("POST /api/sessions/prune", Scope.WRITE, HTTPStatus.OK),
        ("POST /api/sessions/forget", Scope.ADMIN, HTTPStatus.OK),
        ("GET /api/sessions/{key}", Scope.READ, HTTPStatus.OK),
        ("PATCH /api/sessions/{key}", Scope.WRITE, HTTPStatus.OK),
        ("POST /api/sessions/{key}/archive", Scope.WRITE, HTTPStatus.OK),
        ("POST /api/sessions/{key}/unarchive", Scope.WRITE, HTTPStatus.OK),
        ("POST /api/sessions/{key}/pin", Scope.WRITE, HTTPStatus.OK),
        ("POST /api/sessions/{key}/unpin", Scope.WRITE, HTTPStatus.OK),
        ("POST /api/sessions/{key}/rename", Scope.WRITE, HTTPStatus.OK),
        ("POST /api/sessions/{key}/reset", Scope.WRITE, HTTPStatus.OK),
        ("GET /api/sessions/{key}/export", Scope.READ, HTTPStatus.OK),
        ("GET /api/sessions/{key}/agent-config", Scope.READ, HTTPStatus.OK),
        ("PATCH /api/sessions/{key}/agent-config", Scope.WRITE, HTTPStatus.OK),
        ("DELETE /api/sessions/{key}", Scope.WRITE, HTTPStatus.OK),
        ("GET /api/events", Scope.READ, HTTPStatus.OK),
        ("GET /api/logs", Scope.READ, HTTPStatus.OK),
        ("GET /api/logs/stream", Scope.READ, HTTPStatus.OK),
        ("GET /api/logs/files", Scope.READ, HTTPStatus.OK),
        ("GET /api/logs/stats", Scope.READ, HTTPStatus.OK),
        ("GET /api/logs/levels", Scope.READ, HTTPStatus.OK),
        ("GET /api/logs/modules", Scope.READ, HTTPStatus.OK),
        ("GET /api/logs/dir", Scope.READ, HTTPStatus.OK),
        ("GET /api/logs/level", Scope.READ, HTTPStatus.OK),
        ("POST /api/logs/level", Scope.ADMIN, HTTPStatus.OK),
        ("GET /api/outbound", Scope.READ, HTTPStatus.OK),
        ("GET /api/outbound/{id}", Scope.READ, HTTPStatus.OK),
        ("POST /api/outbound/{id}/retry", Scope.WRITE, HTTPStatus.OK),
        ("POST /api/dead-letters/retry", Scope.WRITE, HTTPStatus.OK),
        ("DELETE /api/outbound/{id}", Scope.WRITE, HTTPStatus.OK),
        ("POST /api/dead-letters/delete", Scope.WRITE, HTTPStatus.OK),
        ("GET /api/trace/{id}", Scope.READ, HTTPStatus.OK),
        ("GET /api/inbox", Scope.READ, HTTPStatus.OK),
        ("POST /api/inbox/{id}/retry", Scope.WRITE, HTTPStatus.OK),
        ("DELETE /api/inbox/{id}", Scope.WRITE, HTTPStatus.OK),
        ("GET /api/heartbeat", Scope.READ, HTTPStatus.OK),
        ("POST /api/heartbeat/trigger", Scope.WRITE, HTTPStatus.OK),
        ("GET /api/workspace/heartbeat-md", Scope.READ, HTTPStatus.OK),
        ("PUT /api/workspace/heartbeat-md", Scope.WRITE, HTTPStatus.OK),
        ("GET /api/cron", Scope.READ, HTTPStatus.OK),
        ("POST /api/cron", Scope.WRITE, HTTPStatus.CREATED),
        ("POST /api/cron/create", Scope.WRITE, HTTPStatus.CREATED),
        ("POST /api/cron/trigger", Scope.WRITE, HTTPStatus.OK),
        ("GET /api/cron/metrics", Scope.READ, HTTPStatus.OK),
        ("GET /api/cron/runs/history", Scope.READ, HTTPStatus.OK),
        ("GET /api/cron/{id}", Scope.READ, HTTPStatus.OK),
        ("PATCH /api/cron/{id}", Scope.WRITE, HTTPStatus.OK),
        ("DELETE /api/cron/{id}", Scope.WRITE, HTTPStatus.OK),
        ("POST /api/cron/{id}/run", Scope.WRITE, HTTPStatus.OK),
        ("POST /api/cron/{id}/toggle", Scope.WRITE, HTTPStatus.OK),
        ("GET /api/cron/{id}/history", Scope.READ, HTTPStatus.OK),
        ("GET /api/config", Scope.ADMIN, HTTPStatus.OK),
        ("PATCH /api/config", Scope.ADMIN, HTTPStatus.OK),
        ("POST /api/config/reload", Scope.ADMIN, HTTPStatus.OK),
        ("POST /api/secrets/reload", Scope.ADMIN, HTTPStatus.OK),
        ("GET /api", None, HTTPStatus.OK),
        ("GET /openapi.json", None, HTTPStatus.OK),
        ("GET /docs", None, HTTPStatus.OK),
    }
    check(ROUTES)


def test_a_path_that_another_route_s_parameter_would_take_refuses_the_methods_of_that_route() -> None:
    places = [("GET", "/a/{x}"), ("DELETE", "/a/{x}"), ("PATCH", "/a/{x}/b"), ("GET", "/a/all"), ("GET", "/c/d")]
    routes = [attrs.evolve(ROUTES[0], method=method, path=path) for method, path in places]
    refused = frozenset({"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
    assert strays(routes) == {"/a/all": (refused, frozenset({"GET", "HEAD"}))}


def test_a_route_may_answer_with_a_text_of_another_type() -> None:
    check([attrs.evolve(GOOD, response=str, media_type="text/html; charset=utf-8")])


def test_a_route_may_answer_with_a_stream_alone() -> None:
    check([attrs.evolve(GOOD, response=None, frames=(Health,))])


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/*", False),
        ("text/event-stream", True),
        ("Text/Event-Stream", True),
        ("application/json, text/event-stream;q=0.9", True),
    ],
)
def test_a_caller_wants_a_stream_when_he_says_so(accept: str | None, expected: bool) -> None:
    headers = {} if accept is None else {"accept": accept}
    services = Generation().services()
    call = Call(services=services, principal=None, body=None, path={}, query={}, headers=headers)
    assert call.wants_stream is expected


def statuses(route: Route) -> set[int]:
    return {failure.http.value for failure in route.failures}
