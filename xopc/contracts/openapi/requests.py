"""What a request of an operation is made of, for the OpenAPI document: parameters, headers and a body."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

import attrs

from xopc.contracts.convert import JsonObject, keys_of
from xopc.contracts.limits import PATH_TEXT
from xopc.contracts.openapi.operations import JSON, Operation
from xopc.contracts.openapi.stand_in import stand_in
from xopc.contracts.schemas import Schemas
from xopc.contracts.whole import whole_of


def parameters(operation: Operation, schemas: Schemas) -> list[JsonObject]:
    """Those of the path, then those of the query and the headers: the attributes of a class each."""
    return [
        *_of_path(operation),
        *(_of_class(operation.query, "query", schemas) if operation.query else ()),
        *(_of_class(operation.headers, "header", schemas) if operation.headers else ()),
    ]


def request_body(operation: Operation, schemas: Schemas) -> JsonObject:
    """The body of an operation that takes one."""
    cls = cast("type[attrs.AttrsInstance]", operation.request)
    schema = schemas.refer(cls, sent=False)
    # No body counts as `{}`, which is good where no key is needed.
    needed = whole_of(cls) is None and any(attribute.default is attrs.NOTHING for attribute in attrs.fields(cls))
    return {"required": needed, "content": {JSON: {"schema": schema, **_examples(operation, schema, schemas)}}}


def _of_path(operation: Operation) -> Iterator[JsonObject]:
    for name in re.findall(r"\{(\w+)\}", operation.path):
        said = operation.path_parameters.get(name)
        told: JsonObject = {"description": said.description, "example": said.example} if said else {}
        yield {"name": name, "in": "path", "required": True, **told, "schema": {"type": "string", **PATH_TEXT.limits}}


def _of_class(cls: type[object], place: str, schemas: Schemas) -> Iterator[JsonObject]:
    for attribute, schema in schemas.attributes(cast("type[attrs.AttrsInstance]", cls), sent=False):
        described: JsonObject = {"name": keys_of(attribute)[0], "in": place}
        if text := schema.pop("description", None):
            described["description"] = text
        if schema.get("type") == "array":
            described["explode"] = False  # a list is written with commas, and an empty text is an empty one
        elif place == "query":
            described["allowEmptyValue"] = True  # an empty text counts as none
        yield described | {"schema": _without_null(schema)}


def _without_null(schema: JsonObject) -> JsonObject:
    """A parameter is missing, or it is a text: nothing in a URL or a header is null."""
    if not isinstance(schema.get("type"), list):
        return schema
    (kind,) = [kind for kind in schema["type"] if kind != "null"]
    return {**schema, "type": kind}


def _examples(operation: Operation, schema: JsonObject, schemas: Schemas) -> JsonObject:
    if operation.request_examples:
        return {"examples": {name: {"value": value} for name, value in operation.request_examples.items()}}
    try:
        return {"example": stand_in(schema, schemas.components)}
    except ValueError:
        return {}
