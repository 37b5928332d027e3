"""The one application: a request finds its route, passes the gate and the door, and comes out as JSON.

A trailing slash makes no difference; nothing is ever redirected.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from time import monotonic
from typing import Any, TypeAlias, cast
from urllib.parse import parse_qsl

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope as AsgiScope
from quart import (
    Request,
    Response,
    Websocket,
    has_request_context,
    request as current_request,
    websocket as current_websocket,
)
from quart_trio import QuartTrio
from quart_trio.wrappers import TrioResponse
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.wrappers import Response as WerkzeugResponse

from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.openapi.operations import JSON
from xopc.server.answers import answered, failed, written
from xopc.server.api import ROUTES
from xopc.server.body import BODY_SECONDS, MAX_BODY_BYTES, check_head, has_two_ends, read_body
from xopc.server.door.auth import Principal
from xopc.server.door.cors import for_page, for_preflight, is_preflight
from xopc.server.door.door import Door
from xopc.server.door.tailscale import Visitor
from xopc.server.query import check_once, check_path
from xopc.server.routes import Answer, Call, Route, check, strays
from xopc.server.rules import OTHER, Other, rule_of
from xopc.server.sse import EventStream, streamed
from xopc.server.wire.gate import Gate
from xopc.server.wire.headers import SECURITY_HEADERS

Observe: TypeAlias = Callable[[str, int, float], None]
"""Takes the route of a request, the status of its answer, and the seconds up to that."""
UNKNOWN_ROUTE = "other"
"""Of a request that no route serves."""

_QUART_CONFIG: Mapping[str, object] = {
    "BODY_TIMEOUT": BODY_SECONDS,
    "DEBUG": False,  # else the environment decides
    "MAX_CONTENT_LENGTH": MAX_BODY_BYTES,
    "PROVIDE_AUTOMATIC_OPTIONS": False,
    "RESPONSE_TIMEOUT": None,  # it would cut event streams
}


def build_app(
    gate: Gate,
    door: Door,
    routes: Sequence[Route] = ROUTES,
    observe: Observe = lambda _route, _status, _seconds: None,
) -> QuartTrio:
    """The application that serves these routes, to whom the gate and the door let in. `observe` hears of each answer.

    Raises:
        ValueError: a route without a summary, or declared twice; it is named.
    """
    check(routes)
    app = _App(gate, door, observe, frozenset(map(str, routes)))
    app.url_map.converters[OTHER] = Other
    paths = [route.path for route in routes]
    for route in routes:
        rule = rule_of(route.path, paths)
        app.add_url_rule(rule, str(route), _view(gate, door, route), methods=[route.method])
    for path, (refused, allowed) in strays(routes).items():
        app.add_url_rule(path, f"others at {path}", _refusal(allowed), methods=list(refused))
    return app


def _refusal(allowed: frozenset[str]) -> Callable[[], Awaitable[Response]]:
    async def view() -> Response:
        raise MethodNotAllowed(sorted(allowed))

    return view


def _view(gate: Gate, door: Door, route: Route) -> Callable[..., Awaitable[Response]]:
    async def view(**path: str) -> Response:
        result = await _serve(gate, door, route, current_request, path)
        match result:
            case EventStream():
                is_admitted = await _admission(door, route, current_request)
                scope = cast("HTTPScope", current_request.scope)
                return streamed(result, is_admitted, scope, has_body=current_request.method != "HEAD")
            case Answer():
                return await answered(result.status, result.value)
            case str() if route.media_type != JSON:
                return written(route.status, result, route.media_type)
            case _:
                return await answered(route.status, result)

    return view


async def _serve(gate: Gate, door: Door, route: Route, request: Request, path: Mapping[str, str]) -> object:
    """What the route's handler gives for a request.

    Raises:
        XopcError: the path, the door, the body or the handler refused it, or there is no generation.
    """
    check_path(path)
    check_head(request)
    query = _query(request, route)
    # Before the gate: it may have to wait for Tailscale, which must not hold a restart up.
    visitor = await _visitor(door, route, request)
    body = None
    if route.request is not None:
        # A slow body must not hold a restart up, so it is read between two visits, and the door asks twice.
        async with gate.enter():
            _admit(door, route, request, query, visitor)
        body = await read_body(request, route.request)
    async with gate.enter() as services:
        principal = _admit(door, route, request, query, visitor)
        call = Call(
            services=services,
            principal=principal,
            body=body,
            path=path,
            query=query,
            headers={name.lower(): value for name, value in reversed(list(request.headers.items()))},
        )
        return await route.handler(call)


async def _visitor(door: Door, route: Route, request: Request) -> Visitor | None:
    return None if route.scope is None else await door.visitor(cast("HTTPScope", request.scope))


def _admit(
    door: Door, route: Route, request: Request, query: Mapping[str, str], visitor: Visitor | None
) -> Principal | None:
    knock = cast("HTTPScope", request.scope)
    return door.admit(knock, query, route.scope, takes_token_in_query=route.takes_token_in_query, visitor=visitor)


async def _admission(door: Door, route: Route, request: Request) -> Callable[[], bool]:
    """Whether the caller may still hear the stream of a route, whenever that is asked.

    What happens in the gateway is for those whose credential counts; an answer that has begun is given in full.
    """
    if route.response is not None or route.request is not None:
        return lambda: True
    knock, query = cast("HTTPScope", request.scope), _query(request, route)
    visitor = await _visitor(door, route, request)
    return door.admission(knock, query, route.scope, takes_token_in_query=route.takes_token_in_query, visitor=visitor)


def _query(request: Request, route: Route) -> Mapping[str, str]:
    """The query's parameters; of one that the route does not know and that is given twice, the first."""
    pairs = parse_qsl(request.query_string.decode(), keep_blank_values=True)
    check_once(pairs, route.query)
    return dict(reversed(pairs))


class _App(QuartTrio):
    """Quart with our own end to every error, and the headers that everything carries."""

    def __init__(self, gate: Gate, door: Door, observe: Observe, routes: frozenset[str]) -> None:
        super().__init__(__name__, static_folder=None, template_folder=None)
        self._gate = gate
        self._door = door
        self._observe = observe
        self._routes = routes
        self.url_map.strict_slashes = False
        self.url_map.merge_slashes = False
        for name, value in _QUART_CONFIG.items():
            self.config[name] = value

    async def asgi_app(self, scope: AsgiScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "lifespan":
            scope = cast("AsgiScope", {**scope, "path": _origin_form(scope["path"])})
        await super().asgi_app(scope, receive, send)

    async def handle_request(self, request: Request) -> Response | WerkzeugResponse:
        if is_preflight(request.method, request.headers):
            return self._seal(self._answer_preflight(request), request)
        began = monotonic()
        try:
            response = await super().handle_request(request)
        except Exception as error:
            response = _unread(request, error)
        # The rule's own name: a path is whatever its sender wants it to be.
        route = request.endpoint if request.endpoint in self._routes else None
        self._observe(route or UNKNOWN_ROUTE, response.status_code, monotonic() - began)
        return self._seal(response, request)

    async def handle_websocket(self, websocket: Websocket) -> Response | WerkzeugResponse | None:
        try:
            response = await super().handle_websocket(websocket)
        except Exception as error:
            response = _unread(websocket, error)
        return response and self._seal(response, websocket)

    async def handle_user_exception(self, error: Exception | BaseExceptionGroup[Any]) -> Response:
        """Whatever the routing, a view or a handler raised."""
        if not isinstance(error, Exception):
            raise error  # cancellation is in it
        return failed(error, _place(current_request if has_request_context() else current_websocket))

    def _answer_preflight(self, request: Request) -> Response:
        """Before any credential is asked for: a browser sends none with it."""
        if self._door.open_to(cast("HTTPScope", request.scope)) is None:
            return failed(XopcError(Failure.FORBIDDEN, "Origin not allowed."), _place(request))
        return TrioResponse(b"", HTTPStatus.NO_CONTENT, for_preflight())

    def _seal(self, response: Response | WerkzeugResponse, request: Request | Websocket) -> Response | WerkzeugResponse:
        response.headers.extend(SECURITY_HEADERS)
        if "Origin" in request.headers:
            response.headers.extend(for_page(self._door.open_to(request.scope)))
        # RFC 9112, section 6.1: what follows such a request may have been a part of it, to a proxy.
        if self._gate.is_shut or has_two_ends(request.headers):
            response.headers["Connection"] = "close"
        return response


def _unread(request: Request | Websocket, error: Exception) -> Response:
    """The answer where Quart gave up before anybody could answer: it decodes the query and the host first."""
    if isinstance(error, UnicodeDecodeError):
        error = XopcError(Failure.INVALID_REQUEST, "The query is not UTF-8.")
    return failed(error, _place(request))


def _place(request: Request | Websocket) -> str:
    # Without the query, which may hold what belongs in no log.
    return f"{request.method} {request.path}"


def _origin_form(target: str) -> str:
    """The path of a request target that may also be a whole URL, `*`, or nothing."""
    if target.startswith("/"):
        return target
    _, scheme, rest = target.partition("://")
    return "/" + rest.partition("/")[2] if scheme else f"/{target}"
