"""An example of what a schema takes, for operations that declare none: its default, its first choice, its key."""

from __future__ import annotations

from collections.abc import Mapping

from xopc.contracts.convert import JsonObject
from xopc.contracts.limits import VISIBLE

_SCALARS: Mapping[str, object] = {"integer": 1, "number": 1.5, "boolean": True, "null": None}


def stand_in(schema: JsonObject, components: JsonObject, name: str = "text") -> object:
    """A value that fits `schema`, in which a text is its own key. `components` are those that it refers to.

    Raises:
        ValueError: a pattern, or a class that holds itself, leaves no simple choice.
    """
    return _of(schema, components, name, frozenset())


def _of(schema: JsonObject, components: JsonObject, name: str, above: frozenset[str]) -> object:
    if "default" in schema:
        return schema["default"]
    if "$ref" in schema:
        target = schema["$ref"].rpartition("/")[2]
        if target in above:
            raise ValueError(f"{target} holds itself")
        return _of(components[target], components, name, above | {target})
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _of(schema["anyOf"][0], components, name, above)
    match schema["type"]:
        case "object":
            return _object(schema, components, above)
        case "array":
            return []
        case "string":
            return _text(schema, name)
        case [first, *_]:
            return _of({**schema, "type": first}, components, name, above)
        case kind:
            return max(_SCALARS[kind], schema["minimum"]) if "minimum" in schema else _SCALARS[kind]


def _object(schema: JsonObject, components: JsonObject, above: frozenset[str]) -> JsonObject:
    needed = [*schema.get("required", ()), *(part["oneOf"][0]["required"][0] for part in schema.get("allOf", ()))]
    optional = {part["oneOf"][0]["required"][0] for part in schema.get("allOf", ()) if "not" in part["oneOf"][-1]}
    properties = schema.get("properties", {})
    return {key: _of(properties[key], components, key, above) for key in needed if key not in optional}


def _text(schema: JsonObject, name: str) -> str:
    if schema.get("pattern", VISIBLE) != VISIBLE:
        raise ValueError("a pattern is not simple")
    return name[: schema.get("maxLength", len(name))]
