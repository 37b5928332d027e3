"""The OpenAPI 3.1 document of a set of operations, and the JSON Schema of the classes that they speak.

Made of declarations alone, so it says what the server does. Classes become components under their own names;
attribute names go out in camel case, as everywhere on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from http import HTTPStatus
from inspect import cleandoc
from types import NoneType, UnionType
from typing import Protocol, Union, cast, get_args, get_origin, get_type_hints

import attrs

from xopc.contracts.api import ErrorBody
from xopc.contracts.auth import Scope
from xopc.contracts.convert import JsonObject, camel
from xopc.contracts.errors import Failure

_SECURITY_SCHEMES: JsonObject = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
}
_MEANINGS: Mapping[Failure, str] = {
    Failure.INVALID_REQUEST: "The request is malformed, or its body is not what this operation takes.",
    Failure.METHOD_NOT_ALLOWED: "The path exists, but not with this method; `Allow` names those it has.",
    Failure.BODY_TIMEOUT: "The body did not arrive in time.",
    Failure.BODY_TOO_LARGE: "The body is too large.",
    Failure.NOT_JSON: "The body is of another type than JSON.",
    Failure.UNAUTHORIZED: "No credential, or a wrong one.",
    Failure.FORBIDDEN: "The credential lacks the scope, or the configuration forbids it.",
    Failure.NOT_FOUND: "There is no such thing.",
    Failure.CONFLICT: "The state of things does not allow it now.",
    Failure.UNAVAILABLE: "The gateway is stopping, or a restart took too long, or ended the request. Try again.",
    Failure.INTERNAL_ERROR: "The gateway failed; its log tells more.",
    Failure.BAD_CONFIG: "The configuration cannot take effect.",
}
_SCALARS: Mapping[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


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
    def response(self) -> type[object]: ...
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
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


class Schemas:
    """JSON Schemas of attrs classes, and of the classes that they are made of."""

    def __init__(self) -> None:
        self.components: JsonObject = {}
        """Class name → schema."""
        self._classes: dict[str, type[object]] = {}

    def refer(self, kind: object, *, sent: bool) -> JsonObject:
        """The schema of a type: a reference for an attrs class or an enum, which becomes a component.

        `sent` means by the gateway: then every attribute is there. In what it takes, those with a default may be
        missing, and unknown ones are refused. The first reference to a class decides.
        """
        if kind in _SCALARS:
            return {"type": _SCALARS[kind]}
        if isinstance(kind, type) and (attrs.has(kind) or issubclass(kind, Enum)):
            return self._component(kind, sent=sent)
        arguments = get_args(kind)
        if get_origin(kind) in (Union, UnionType):
            return _either([self.refer(argument, sent=sent) for argument in arguments])
        if get_origin(kind) is tuple and arguments[1:] == (...,):
            return {"type": "array", "items": self.refer(arguments[0], sent=sent)}
        if kind is dict:
            return {"type": "object"}
        raise TypeError(f"no JSON Schema is known for {kind!r}")

    def _component(self, cls: type[object], *, sent: bool) -> JsonObject:
        name = cls.__name__
        if self._classes.setdefault(name, cls) is not cls:
            raise ValueError(f"two classes are named {name}: {cls!r} and {self._classes[name]!r}")
        if name not in self.components:
            self.components[name] = {}  # a class may hold itself
            text = cls.__dict__.get("__doc__")
            described: JsonObject = {"description": cleandoc(text)} if text else {}
            self.components[name] = described | (
                {"type": "string", "enum": [str(member.value) for member in cls]}
                if issubclass(cls, Enum)
                else self._object(cast("type[attrs.AttrsInstance]", cls), sent=sent)
            )
        return {"$ref": f"#/components/schemas/{name}"}

    def _object(self, cls: type[attrs.AttrsInstance], *, sent: bool) -> JsonObject:
        types = get_type_hints(cls)
        properties: JsonObject = {}
        required: list[str] = []
        for attribute in attrs.fields(cls):
            try:
                schema = self.refer(types[attribute.name], sent=sent)
            except TypeError as error:
                raise TypeError(f"{cls.__name__}.{attribute.name}: {error}") from error
            properties[camel(attribute.name)] = schema | _limits(attribute.validator)
            if sent or attribute.default is attrs.NOTHING:
                required.append(camel(attribute.name))
        return {
            "type": "object",
            "properties": properties,
            **({"required": required} if required else {}),
            **({} if sent else {"additionalProperties": False}),
        }


def _operation(operation: Operation, schemas: Schemas, failures: JsonObject) -> JsonObject:
    described: JsonObject = {
        "operationId": _operation_id(operation.method, operation.path),
        "summary": operation.summary,
        "responses": _responses(operation, schemas, failures),
        "security": [],
    }
    if names := re.findall(r"\{(\w+)\}", operation.path):
        parameter: JsonObject = {"in": "path", "required": True, "schema": {"type": "string"}}
        described["parameters"] = [{"name": name, **parameter} for name in names]
    if operation.request:
        described["requestBody"] = _request_body(operation.request, schemas)
    if operation.scope:
        described |= {"security": [{name: []} for name in _SECURITY_SCHEMES], "x-scope": operation.scope.value}
    return described


def _responses(operation: Operation, schemas: Schemas, failures: JsonObject) -> JsonObject:
    grouped: dict[HTTPStatus, list[Failure]] = {}
    for failure in operation.failures:
        grouped.setdefault(failure.http, []).append(failure)
    responses = {status: _failed(group, schemas, failures) for status, group in grouped.items()}
    for status, cls in {**operation.also, operation.status: operation.response}.items():
        responses[status] = {"description": status.phrase, **_json(schemas.refer(cls, sent=True))}
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


def _json(schema: JsonObject, examples: JsonObject | None = None) -> JsonObject:
    return {"content": {"application/json": {"schema": schema, **({"examples": examples} if examples else {})}}}


def _either(schemas: Sequence[JsonObject]) -> JsonObject:
    if all(schema.keys() == {"type"} for schema in schemas):
        return {"type": [schema["type"] for schema in schemas]}
    return {"anyOf": schemas}


def _limits(validator: object) -> JsonObject:
    """What an attrs validator says in JSON Schema's words. attrs keeps the classes private, not their attributes."""
    inner = getattr(validator, "validator", None) or validator
    limits: JsonObject = {}
    for part in getattr(inner, "_validators", (inner,)):
        if (longest := getattr(part, "max_length", None)) is not None:
            limits["maxLength"] = longest
        if (pattern := getattr(part, "pattern", None)) is not None:
            limits["pattern"] = f"^{pattern.pattern}$"
    return limits


def _operation_id(method: str, path: str) -> str:
    """`GET /api/cron/{id}` is `getApiCronId`."""
    return method.lower() + "".join(word.title() for word in re.findall(r"[A-Za-z0-9]+", path))
