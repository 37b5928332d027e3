"""The OpenAPI 3.1 document of a set of operations. Made of declarations alone, so it says what the server does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Protocol, cast, get_type_hints

import attrs

from xopc.contracts.api import ErrorBody
from xopc.contracts.auth import Scope
from xopc.contracts.convert import JsonObject, keys_of
from xopc.contracts.errors import Failure
from xopc.contracts.schemas import Schemas, limits_of

_SECURITY_SCHEMES: JsonObject = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
}
_QUERY_SCHEME: JsonObject = {"token": {"type": "apiKey", "in": "query", "name": "token"}}
_MEANINGS: Mapping[Failure, str] = {
    Failure.INVALID_REQUEST: "The request is malformed, or its body is not what this operation takes.",
    Failure.METHOD_NOT_ALLOWED: "The path exists, but not with this method; `Allow` names those it has.",
    Failure.BODY_TIMEOUT: "The body did not arrive in time.",
    Failure.BODY_TOO_LARGE: "The body is too large.",
    Failure.NOT_JSON: "The body is of another type than JSON.",
    Failure.UNAUTHORIZED: "No credential, or a wrong one.",
    Failure.FORBIDDEN: "The credential lacks the scope, or the configuration forbids it.",
    Failure.NOT_FOUND: "There is no such thing.",
    Failure.CHANNEL_NOT_FOUND: "There is no such channel, or it is disabled.",
    Failure.SESSION_NOT_FOUND: "There is no such session.",
    Failure.RATE_LIMITED: "The client presented too many wrong credentials; `Retry-After` tells when it may try again.",
    Failure.CONFLICT: "The state of things does not allow it now.",
    Failure.UNAVAILABLE: "The gateway is stopping, or a restart took too long, or ended the request. Try again.",
    Failure.TOO_MANY_CONNECTIONS: "Too many event streams are open; `gateway.maxSseConnections` is the limit.",
    Failure.AGENT_FAILED: "The agent's model failed.",
    Failure.AGENT_TIMED_OUT: "The agent took too long.",
    Failure.AGENT_INTERRUPTED: "The gateway's process died while the agent was at work.",
    Failure.INTERNAL_ERROR: "The gateway failed; its log tells more.",
    Failure.BAD_CONFIG: "The configuration cannot take effect.",
}


class Operation(Protocol):
    """What the document needs to know of a route."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def scope(self) -> Scope | None: ...
    @property
    def request(self) -> type[object] | None: ...
    @property
    def query(self) -> type[object] | None: ...
    @property
    def response(self) -> type[object] | None: ...
    @property
    def frames(self) -> tuple[type[object], ...]: ...
    @property
    def takes_token_in_query(self) -> bool: ...
    @property
    def status(self) -> HTTPStatus: ...
    @property
    def also(self) -> Mapping[HTTPStatus, type[object]]: ...
    @property
    def failures(self) -> tuple[Failure, ...]: ...


def document(title: str, version: str, operations: Iterable[Operation]) -> JsonObject:
    """The OpenAPI document, as a value that `json.dumps` takes.

    Raises:
        TypeError: a class has an attribute that no schema is known for.
        ValueError: two classes have the same name.
    """
    operations = tuple(operations)
    schemas = Schemas()
    for operation in operations:
        if operation.request:  # first, so that a class which goes both ways may be sent as it is taken: with gaps
            schemas.refer(operation.request, sent=False)
    failures: JsonObject = {}
    paths: dict[str, JsonObject] = {}
    for operation in operations:
        methods = paths.setdefault(operation.path, {})
        methods[operation.method.lower()] = _operation(operation, schemas, failures)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "responses": dict(sorted(failures.items())),
            "securitySchemes": _SECURITY_SCHEMES | _QUERY_SCHEME,
        },
    }


def _operation(operation: Operation, schemas: Schemas, failures: JsonObject) -> JsonObject:
    described: JsonObject = {
        "operationId": _operation_id(operation.method, operation.path),
        "summary": operation.summary,
        "responses": _responses(operation, schemas, failures),
        "security": [],
    }
    if parameters := _parameters(operation, schemas):
        described["parameters"] = parameters
    if operation.request:
        described["requestBody"] = _request_body(operation.request, schemas)
    if operation.scope:
        schemes = [*_SECURITY_SCHEMES, *(_QUERY_SCHEME if operation.takes_token_in_query else ())]
        described |= {"security": [{name: []} for name in schemes], "x-scope": operation.scope.value}
    return described


def _parameters(operation: Operation, schemas: Schemas) -> list[JsonObject]:
    """Those of the path, then those of the query: the attributes of a class."""
    of_path: JsonObject = {"in": "path", "required": True, "schema": {"type": "string"}}
    parameters = [{"name": name, **of_path} for name in re.findall(r"\{(\w+)\}", operation.path)]
    if operation.query is None:
        return parameters
    cls = cast("type[attrs.AttrsInstance]", operation.query)
    types = get_type_hints(cls)
    for attribute in attrs.fields(cls):
        schema = schemas.refer(types[attribute.name], sent=False) | limits_of(attribute.validator)
        # A list is written with commas.
        form: JsonObject = {"explode": False} if schema.get("type") == "array" else {}
        parameters.append({"name": keys_of(attribute)[0], "in": "query", **form, "schema": schema})
    return parameters


def _responses(operation: Operation, schemas: Schemas, failures: JsonObject) -> JsonObject:
    grouped: dict[HTTPStatus, list[Failure]] = {}
    for failure in operation.failures:
        grouped.setdefault(failure.http, []).append(failure)
    responses = {status: _failed(group, schemas, failures) for status, group in grouped.items()}
    for status, cls in {**operation.also, operation.status: operation.response}.items():
        content: JsonObject = {"application/json": {"schema": schemas.refer(cls, sent=True)}} if cls else {}
        if status is operation.status and operation.frames:
            content["text/event-stream"] = _stream(operation.frames, schemas)
        responses[status] = {"description": status.phrase, "content": content}
    return {str(status.value): responses[status] for status in sorted(responses)}


def _request_body(cls: type[object], schemas: Schemas) -> JsonObject:
    needed = any(
        attribute.default is attrs.NOTHING for attribute in attrs.fields(cast("type[attrs.AttrsInstance]", cls))
    )
    return {"required": needed, **_json(schemas.refer(cls, sent=False))}


def _failed(failures: Sequence[Failure], schemas: Schemas, responses: JsonObject) -> JsonObject:
    """A reference to the response for failures of one status, which becomes a component."""
    name = "Or".join(failure.name.title().replace("_", "") for failure in failures)
    examples: JsonObject = {
        failure.name: {"value": {"error": {"code": failure.code, "message": _MEANINGS[failure]}}}
        for failure in failures
    }
    responses[name] = {
        "description": " ".join(_MEANINGS[failure] for failure in failures),
        **_json(schemas.refer(ErrorBody, sent=True), examples),
    }
    return {"$ref": f"#/components/responses/{name}"}


def _stream(frames: Sequence[type[object]], schemas: Schemas) -> JsonObject:
    """OpenAPI 3.1 has no words for the events of a stream: `x-frames` holds the schemas of their data."""
    return {
        "schema": {"type": "string"},
        "x-frames": [schemas.refer(frame, sent=True) for frame in frames],
    }


def _json(schema: JsonObject, examples: JsonObject | None = None) -> JsonObject:
    return {"content": {"application/json": {"schema": schema, **({"examples": examples} if examples else {})}}}


def _operation_id(method: str, path: str) -> str:
    """`GET /api/cron/{id}` is `getApiCronId`."""
    return method.lower() + "".join(word.title() for word in re.findall(r"[A-Za-z0-9]+", path))
