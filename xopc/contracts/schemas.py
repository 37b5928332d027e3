"""The JSON Schema of the classes that cross a boundary: what the converter takes and gives, said once more.

Classes become components under their own names; keys are spelled as the converter spells them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from inspect import cleandoc
from types import NoneType, UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

import attrs

from xopc.contracts.convert import LIMITS, JsonObject, keys_of, unstructure
from xopc.contracts.docstrings import attribute_docs
from xopc.contracts.limits import MAX_WHOLE, SOMETIMES, limits_of
from xopc.contracts.whole import example_of, whole_of

_SCALARS: Mapping[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


class Schemas:
    """JSON Schemas of attrs classes, and of the classes that they are made of."""

    def __init__(self) -> None:
        self.components: JsonObject = {}
        """Class name → schema."""
        self._classes: dict[str, type[object]] = {}

    def refer(self, kind: object, *, sent: bool) -> JsonObject:
        """The schema of a type: a reference for an attrs class or an enum, which becomes a component.

        `sent` means by the gateway: then every attribute is there, but those of `SOMETIMES`. In what it takes, those
        with a default may be missing, and unknown ones are refused. The first reference to a class decides.
        """
        if kind is int and not sent:
            return {"type": "integer", "minimum": -MAX_WHOLE, "maximum": MAX_WHOLE}
        if kind in _SCALARS:
            return {"type": _SCALARS[kind]}
        if isinstance(kind, type) and (attrs.has(kind) or issubclass(kind, Enum)):
            return self._component(kind, sent=sent)
        arguments = get_args(kind)
        if get_origin(kind) in (Union, UnionType):
            return _either([self.refer(argument, sent=sent) for argument in arguments])
        if get_origin(kind) is tuple and arguments[1:] == (...,):
            return {"type": "array", "items": self.refer(arguments[0], sent=sent)}
        if kind is dict or get_origin(kind) is dict:
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
        if (only := whole_of(cls)) is not None:
            return {"type": "object", "examples": [example_of(only)]}
        properties: JsonObject = {}
        required: list[str] = []
        exclusive: list[JsonObject] = []
        for attribute, schema in self.attributes(cls, sent=sent):
            key, *aliases = keys_of(attribute)
            properties[key] = schema
            is_sent = sent and not attribute.metadata.keys() & SOMETIMES.keys()
            needed = is_sent or attribute.default is attrs.NOTHING
            if aliases and not sent:
                properties |= {alias: {**schema, "deprecated": True} for alias in aliases}
                exclusive.append(_one_of((key, *aliases), needed=needed))
            elif needed:
                required.append(key)
        return {
            "type": "object",
            "properties": properties,
            **({"required": required} if required else {}),
            **({"allOf": exclusive} if exclusive else {}),
            **({} if sent else {"additionalProperties": False}),
        }

    def attributes(
        self, cls: type[attrs.AttrsInstance], *, sent: bool
    ) -> Iterator[tuple[attrs.Attribute[Any], JsonObject]]:
        """Each attribute of a class with its schema: its type, its limits, its docstring and its default."""
        types, docs = get_type_hints(cls), attribute_docs(cls)
        for attribute in attrs.fields(cls):
            try:
                schema = self.refer(types[attribute.name], sent=sent)
            except TypeError as error:
                raise TypeError(f"{cls.__name__}.{attribute.name}: {error}") from error
            schema = schema | limits_of(attribute.validator) | attribute.metadata.get(LIMITS, {})
            if attribute.name in docs:
                schema["description"] = docs[attribute.name]
            default = attribute.default
            if not (sent or default in (attrs.NOTHING, None) or hasattr(default, "factory")):
                schema["default"] = unstructure(default)
            yield attribute, schema


def _one_of(keys: Sequence[str], *, needed: bool) -> JsonObject:
    """One spelling of an attribute at most, and one at least where it is needed."""
    each: list[JsonObject] = [{"required": [key]} for key in keys]
    return {"oneOf": each if needed else [*each, {"not": {"anyOf": each}}]}


def _either(schemas: Sequence[JsonObject]) -> JsonObject:
    if not all(isinstance(schema.get("type"), str) for schema in schemas):
        return {"anyOf": schemas}
    merged: JsonObject = {}  # every other word of ours concerns one type, and is no concern of the others
    for schema in schemas:
        merged |= schema
    return merged | {"type": [schema["type"] for schema in schemas]}
