"""What the OpenAPI document needs to know of a route, and the values that a route describes itself with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol

from attrs import frozen

from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure

JSON = "application/json"


@frozen
class PathParameter:
    """One of the braces of a path, for readers."""

    description: str
    example: str


@frozen
class Link:
    """What may be asked next: another operation, with values of this one's answer."""

    name: str
    to: str
    """`GET /api/sessions/{key}`."""
    path: Mapping[str, str] = {}
    """Its path's parameters, each as a runtime expression of OpenAPI: `$response.body#/session/key`."""
    body: Mapping[str, str] | None = None
    """The members of its body, in the same way."""


class Operation(Protocol):
    """A route, as it is declared."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def tag(self) -> str | None: ...
    @property
    def scope(self) -> Scope | None: ...
    @property
    def path_parameters(self) -> Mapping[str, PathParameter]: ...
    @property
    def query(self) -> type[object] | None: ...
    @property
    def headers(self) -> type[object] | None: ...
    @property
    def request(self) -> type[object] | None: ...
    @property
    def request_examples(self) -> Mapping[str, object]: ...
    @property
    def response(self) -> type[object] | None: ...
    @property
    def response_examples(self) -> Mapping[HTTPStatus, object]: ...
    @property
    def media_type(self) -> str: ...
    @property
    def frames(self) -> tuple[type[object], ...]: ...
    @property
    def stream_example(self) -> Mapping[str, str]: ...
    @property
    def takes_token_in_query(self) -> bool: ...
    @property
    def status(self) -> HTTPStatus: ...
    @property
    def also(self) -> Mapping[HTTPStatus, type[object]]: ...
    @property
    def failures(self) -> tuple[Failure, ...]: ...
    @property
    def links(self) -> tuple[Link, ...]: ...


def operation_id(method: str, path: str) -> str:
    """`GET /api/cron/{id}` is `getApiCronId`."""
    return method.lower() + "".join(word.title() for word in re.findall(r"[A-Za-z0-9]+", path))


def tag_of(operation: Operation) -> str:
    """The group that an operation belongs to: the first word of its path behind `/api`, unless it says another."""
    words = [word for word in operation.path.split("/") if word not in ("", "api")]
    return operation.tag or (words[0] if words else "api")
