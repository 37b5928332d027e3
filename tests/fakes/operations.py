"""Operations of a garden, for the OpenAPI document to describe."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any

from attrs import field, frozen
from attrs.validators import max_len
from openapi_spec_validator import OpenAPIV31SpecValidator

from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure
from xopc.contracts.openapi.document import document
from xopc.contracts.openapi.operations import JSON, Link, PathParameter


class Colour(Enum):
    """What it looks like."""

    RED = "red"
    DARK_RED = "dark-red"


@frozen
class Branch:
    """A thing that holds its like."""

    name: str
    colour: Colour
    branches: tuple[Branch, ...] = ()


@frozen
class Limited:
    """Of which nothing is needed."""

    title: str = field(default="", validator=max_len(3))


@frozen
class Operation:
    """A declaration with something in each place that has no default."""

    method: str = "POST"
    path: str = "/api/branches"
    summary: str = "Grow."
    scope: Scope | None = Scope.WRITE
    request: type[object] | None = Branch
    query: type[object] | None = None
    response: type[object] | None = Limited
    frames: tuple[type[object], ...] = ()
    stream_example: Mapping[str, str] = field(factory=dict[str, str])
    tag: str | None = None
    path_parameters: Mapping[str, PathParameter] = field(factory=dict[str, PathParameter])
    headers: type[object] | None = None
    request_examples: Mapping[str, object] = field(factory=dict[str, object])
    response_examples: Mapping[HTTPStatus, object] = field(factory=dict[HTTPStatus, object])
    media_type: str = JSON
    links: tuple[Link, ...] = ()
    takes_token_in_query: bool = False
    status: HTTPStatus = HTTPStatus.CREATED
    also: Mapping[HTTPStatus, type[object]] = field(factory=dict[HTTPStatus, type[object]])
    failures: tuple[Failure, ...] = (Failure.INVALID_REQUEST,)


def described(*operations: Operation) -> dict[str, Any]:
    """Their document; fails unless it is valid OpenAPI 3.1."""
    result = document("things", "1.2.3", operations)
    assert list(OpenAPIV31SpecValidator(result).iter_errors()) == []
    return result
