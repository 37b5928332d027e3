"""The OpenAPI 3.1 document of a set of operations. Made of declarations alone, so it says what the server does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus

from xopc.contracts.api.status import ErrorBody, RateLimitedBody
from xopc.contracts.convert import JsonObject, unstructure
from xopc.contracts.errors import Failure
from xopc.contracts.openapi.operations import JSON, Link, Operation, operation_id, tag_of
from xopc.contracts.openapi.requests import parameters, request_body
from xopc.contracts.openapi.stand_in import stand_in
from xopc.contracts.schemas import Schemas

_SECURITY_SCHEMES: JsonObject = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The gateway's token or password."},
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Api-Key",
        "description": "The same, for clients that have other plans for `Authorization`.",
    },
}
_QUERY_SCHEME: JsonObject = {
    "token": {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "The same, for clients that can set no headers: `EventSource` in a browser.",
    }
}
_HEADERS: Mapping[HTTPStatus, tuple[str, JsonObject]] = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate", {"description": "How to present a credential.", "const": "Bearer"}),
    HTTPStatus.METHOD_NOT_ALLOWED: ("Allow", {"description": "The methods that the path takes.", "type": "string"}),
    HTTPStatus.TOO_MANY_REQUESTS: (
        "Retry-After",
        {"description": "So many seconds to wait.", "type": "integer", "minimum": 0},
    ),
}
"""What an answer of this status always carries, and the schema of its value."""
_EVENT = ("id", "event", "data")
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


_BODIES: Mapping[HTTPStatus, type[object]] = {HTTPStatus.TOO_MANY_REQUESTS: RateLimitedBody}
"""Of failures that say more than others."""
_MORE: Mapping[Failure, JsonObject] = {Failure.RATE_LIMITED: {"retryAfter": 212}}


def document(title: str, version: str, operations: Iterable[Operation], description: str = "") -> JsonObject:
    """The OpenAPI document, as a value that `json.dumps` takes.

    Raises:
        TypeError: a class has an attribute that no schema is known for.
        ValueError: two classes have the same name, or a link leads nowhere.
    """
    operations = tuple(operations)
    schemas = Schemas()
    for operation in operations:
        if operation.request:  # first, so that a class which goes both ways may be sent as it is taken: with gaps
            schemas.refer(operation.request, sent=False)
    known = {f"{operation.method} {operation.path}" for operation in operations}
    failures: JsonObject = {}
    paths: dict[str, JsonObject] = {}
    for operation in operations:
        if lost := [link.to for link in operation.links if link.to not in known]:
            raise ValueError(f"{operation.method} {operation.path} links to {lost[0]}, which there is not")
        methods = paths.setdefault(operation.path, {})
        methods[operation.method.lower()] = _operation(operation, schemas, failures)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, **({"description": description} if description else {})},
        "servers": [{"url": "/", "description": "Where this document is from."}],
        "tags": [{"name": name} for name in dict.fromkeys(map(tag_of, operations))],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "responses": dict(sorted(failures.items())),
            "securitySchemes": _SECURITY_SCHEMES | _QUERY_SCHEME,
        },
    }


def _operation(operation: Operation, schemas: Schemas, failures: JsonObject) -> JsonObject:
    described: JsonObject = {
        "operationId": operation_id(operation.method, operation.path),
        "summary": operation.summary,
        "tags": [tag_of(operation)],
        "responses": _responses(operation, schemas, failures),
        "security": [],
    }
    if listed := parameters(operation, schemas):
        described["parameters"] = listed
    if operation.request:
        described["requestBody"] = request_body(operation, schemas)
    if operation.scope:
        schemes = [*_SECURITY_SCHEMES, *(_QUERY_SCHEME if operation.takes_token_in_query else ())]
        described |= {"security": [{name: []} for name in schemes], "x-scope": operation.scope.value}
    return described


def _responses(operation: Operation, schemas: Schemas, failures: JsonObject) -> JsonObject:
    grouped: dict[HTTPStatus, list[Failure]] = {}
    for failure in operation.failures:
        grouped.setdefault(failure.http, []).append(failure)
    responses = {status: _failed(group, schemas, failures) for status, group in grouped.items()}
    for status, cls in {**operation.also, operation.status: operation.response}.items():
        responses[status] = _answered(operation, status, cls, schemas)
    return {str(status.value): responses[status] for status in sorted(responses)}


def _answered(operation: Operation, status: HTTPStatus, cls: type[object] | None, schemas: Schemas) -> JsonObject:
    content: JsonObject = {}
    if cls:
        schema = schemas.refer(cls, sent=True)
        content[operation.media_type.partition(";")[0]] = {
            "schema": schema,
            **_example(operation, status, schema, schemas),
        }
    if status is operation.status and operation.frames:
        content["text/event-stream"] = _stream(operation, schemas)
    links = {link.name: _linked(link) for link in operation.links if status < HTTPStatus.BAD_REQUEST}
    text = (cls and cls.__dict__.get("__doc__")) or ""
    # Where a class is told by its route, which stands above, there is nothing more to say.
    described: JsonObject = {"description": text if text and "`" not in text else status.phrase, "content": content}
    return described | ({"links": links} if links else {})


def _example(operation: Operation, status: HTTPStatus, schema: JsonObject, schemas: Schemas) -> JsonObject:
    if status in operation.response_examples:
        return {"example": unstructure(operation.response_examples[status])}
    if operation.media_type != JSON:
        return {}
    try:
        return {"example": stand_in(schema, schemas.components)}
    except ValueError:
        return {}


def _failed(failures: Sequence[Failure], schemas: Schemas, responses: JsonObject) -> JsonObject:
    """A reference to the response for failures of one status, which becomes a component."""
    name = "Or".join(failure.name.title().replace("_", "") for failure in failures)
    examples: JsonObject = {
        failure.name: {
            "value": {"error": {"code": failure.code, "message": _MEANINGS[failure], **_MORE.get(failure, {})}}
        }
        for failure in failures
    }
    described: JsonObject = {"description": " ".join(_MEANINGS[failure] for failure in failures)}
    if failures[0].http in _HEADERS:
        header, schema = _HEADERS[failures[0].http]
        text = schema["description"]
        bare = {key: value for key, value in schema.items() if key != "description"}
        described["headers"] = {header: {"description": text, "required": True, "schema": bare}}
    schema = schemas.refer(_BODIES.get(failures[0].http, ErrorBody), sent=True)
    responses[name] = described | {"content": {JSON: {"schema": schema, "examples": examples}}}
    return {"$ref": f"#/components/responses/{name}"}


def _stream(operation: Operation, schemas: Schemas) -> JsonObject:
    """The schema is that of one event, as readers take it. OpenAPI 3.1 has no words for a stream of them, nor for what
    the text of their data holds: `x-frames` has the schemas of that."""
    return {
        "schema": {"type": "object", "properties": {key: {"type": "string"} for key in _EVENT}},
        "x-frames": [schemas.refer(frame, sent=True) for frame in operation.frames],
        **({"example": dict(operation.stream_example)} if operation.stream_example else {}),
    }


def _linked(link: Link) -> JsonObject:
    method, _, path = link.to.partition(" ")
    described: JsonObject = {"operationId": operation_id(method, path)}
    if link.path:
        described["parameters"] = dict(link.path)
    if link.body is not None:
        described["requestBody"] = dict(link.body)
    return described
