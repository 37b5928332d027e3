"""How a route is declared: what it needs, what it gives, and what can go wrong, beside the code that does it.

A declaration without its scope or its response does not build. The server and the OpenAPI document are both
made of these declarations, so neither can say what the other does not do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from attrs import Factory, frozen

from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure
from xopc.contracts.openapi.operations import JSON, Link, PathParameter
from xopc.server.door.auth import Principal
from xopc.server.services import Services
from xopc.server.sse import EVENT_STREAM

Body = TypeVar("Body")


@frozen
class Call(Generic[Body]):
    """One authenticated request on its way to its handler."""

    services: Services
    principal: Principal | None
    """None on a route without a scope."""
    body: Body
    """The request class of the route; None where it takes none."""
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By their names in lower case; of one that is sent twice, the first."""

    @property
    def wants_stream(self) -> bool:
        """Whether the caller asked for server-sent events; `*/*` does not."""
        kinds = (part.partition(";")[0].strip().lower() for part in self.headers.get("accept", "").split(","))
        return EVENT_STREAM in kinds


@frozen
class Answer:
    """A value under another status than the route's: one of those in `also`."""

    status: HTTPStatus
    value: object


Handler = Callable[[Call[Any]], Awaitable[object]]
"""Gives the response's value, an `Answer`, or an `EventStream` where the route has frames."""


@frozen(kw_only=True)
class Route:
    """One method of one path."""

    method: str
    path: str
    """Parameters in braces: `/api/sessions/{key}`."""
    summary: str
    scope: Scope | None
    """None: needs no credential."""
    handler: Handler
    response: type[object] | None
    """None: it answers with a stream alone."""
    response_examples: Mapping[HTTPStatus, object] = Factory(dict[HTTPStatus, object])
    """A value that it may answer, for each status."""
    status: HTTPStatus = HTTPStatus.OK
    media_type: str = JSON
    """Of the response. Where it is not JSON, the response is a `str`, and goes out as it is."""
    tag: str | None = None
    """The group that it stands in, in the reference. Default: the first word of its path behind `/api`."""
    path_parameters: Mapping[str, PathParameter] = Factory(dict[str, PathParameter])
    """What the reference says of them. Each is a `PATH_TEXT`, whatever it says."""
    query: type[object] | None = None
    """Class of what it reads from the query, with `read_query`."""
    headers: type[object] | None = None
    """Class of what it reads from the headers, with `read_headers`."""
    request: type[object] | None = None
    """Class of the JSON body. A route without one ignores the body."""
    request_examples: Mapping[str, object] = Factory(dict[str, object])
    """Bodies that it takes, by what they show."""
    frames: tuple[type[object], ...] = ()
    """What the events of its stream carry, where it answers with one."""
    stream_example: Mapping[str, str] = Factory(dict[str, str])
    """One such event: its `id`, `event` and `data`."""
    links: tuple[Link, ...] = ()
    """What may be asked with what it answers."""
    takes_token_in_query: bool = False
    """`?token=` counts as a credential; everywhere else it is refused."""
    also: Mapping[HTTPStatus, type[object]] = Factory(dict[HTTPStatus, type[object]])
    """Answers that are no failures, under another status."""
    errors: tuple[Failure, ...] = ()
    """Failures of its own, beyond those that follow from the declaration."""

    @property
    def failures(self) -> tuple[Failure, ...]:
        """All that can be answered in place of the response: those of every route of its kind, and its own."""
        common = [Failure.INVALID_REQUEST, Failure.METHOD_NOT_ALLOWED, Failure.UNAVAILABLE, Failure.INTERNAL_ERROR]
        if self.scope is not None:
            common += [Failure.UNAUTHORIZED, Failure.FORBIDDEN, Failure.RATE_LIMITED]
        if self.request is not None:
            common += [Failure.BODY_TIMEOUT, Failure.BODY_TOO_LARGE, Failure.NOT_JSON]
        return tuple(dict.fromkeys([*common, *self.errors]))

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def check(routes: Iterable[Route]) -> None:
    """Refuse declarations that no application can be built of.

    Raises:
        ValueError: it names the route: no summary, a path or method that is not well-formed, or declared twice.
    """
    places: Counter[tuple[str, str]] = Counter()
    for route in routes:
        if not route.summary.strip():
            raise ValueError(f"{route} has no summary")
        if route.response is None and not route.frames:
            raise ValueError(f"{route} has neither a response nor frames")
        if route.media_type != JSON and route.response is not str:
            raise ValueError(f"{route} answers {route.media_type}, so its response is a str")
        if not _PATH.fullmatch(route.path):
            raise ValueError(f"{route} has a malformed path: it is made of /words and /{{parameters}}")
        if route.method not in _METHODS:
            raise ValueError(f"{route} has an unknown method: it is one of {', '.join(_METHODS)}")
        place = (route.method, _PARAMETER.sub("{}", route.path))
        places[place] += 1
        if places[place] > 1:
            raise ValueError(f"{route} is declared twice")


def strays(routes: Sequence[Route]) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Paths that parameters of others would take, such as `/api/sessions/stats` for a session: with the methods that
    therefore have to be refused there, and those that there are.

    Refused are all methods that clients send: the router would name those of both paths as allowed."""
    found: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
    for path in {route.path for route in routes if "{" not in route.path}:
        own = frozenset(route.method for route in routes if route.path == path)
        if any("{" in route.path and _takes(route.path, path) for route in routes):
            found[path] = frozenset((*_METHODS, "OPTIONS", "TRACE")) - own, own | ({"HEAD"} if "GET" in own else set())
    return found


def _takes(pattern: str, path: str) -> bool:
    return re.fullmatch(_PARAMETER.sub("[^/]+", pattern), path) is not None


_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PARAMETER = re.compile(r"\{[a-z][a-z0-9_]*\}")
_PATH = re.compile(rf"/|(/([A-Za-z0-9._-]+|{_PARAMETER.pattern}))+")
