"""Between JSON and the frozen classes of the contracts: the one converter of the project.

A key is the attribute's name in camel case (`boot_id` is `bootId`), unless the attribute is `spelled` otherwise; an
enum travels by its value, a tuple as a list. Scalars are taken as they are written, see `scalars`.
A message never shows the value that it refuses, which may be a secret, but only what kind of value it is.
"""

from __future__ import annotations

import difflib
import json
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from itertools import islice
from types import NoneType
from typing import Any, TypeVar, Union, cast, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.cols import (
    list_structure_factory,
    mapping_structure_factory,  # pyright: ignore[reportUnknownVariableType]  cattrs leaves a default untyped
)
from cattrs.errors import ClassValidationError, IterableValidationError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from xopc.contracts.errors import InvalidValueError, Problem
from xopc.contracts.limits import in_words
from xopc.contracts.scalars import (
    JsonObject,
    MismatchError,
    boolean,
    number,
    object_of,
    shape_of,
    text,
    text_or_number_hook,
    whole_number,
)
from xopc.contracts.whole import whole_of

T = TypeVar("T")

_SPELLINGS = "spellings"
LIMITS = "limits"
"""Metadata of an attribute: limits that are its reader's to check, in the words of JSON Schema."""

MAX_UNKNOWN_KEYS = 20
"""So many are named; a hostile body could hold a hundred thousand."""
MAX_PROBLEMS = 100
"""Likewise of the values that do not fit."""


def structure(value: object, kind: type[T]) -> T:
    """A value of JSON as a `kind`, such as the body of a request.

    Raises:
        InvalidValueError: with each problem and its path, unknown keys among them; the first of very many.
    """
    result, problems = _attempt(value, kind)
    problems += unknown_keys(value, kind)
    if problems:
        raise InvalidValueError(*problems)
    return cast("T", result)


def structure_known(value: object, kind: type[T]) -> tuple[T, tuple[Problem, ...]]:
    """As `structure`, but unknown keys are left out, and come back beside the result.

    Raises:
        InvalidValueError: with each other problem and its path; the first of very many.
    """
    result, problems = _attempt(value, kind)
    if problems:
        raise InvalidValueError(*problems)
    return cast("T", result), unknown_keys(value, kind)


def restore(value: object, kind: type[T]) -> T:
    """What `unstructure` once made of a `kind`. Unknown keys, of another version, are left out without a search.

    Raises:
        InvalidValueError: with each other problem and its path; the first of very many.
    """
    result, problems = _attempt(value, kind)
    if problems:
        raise InvalidValueError(*problems)
    return cast("T", result)


def unstructure(value: object) -> Any:  # noqa: ANN401  any value of JSON
    """A frozen value as JSON: objects, lists, texts, numbers, booleans and null."""
    return _CONVERTER.unstructure(value)


def unknown_keys(value: object, kind: object) -> tuple[Problem, ...]:
    """The keys of `value` that `kind` does not have; the first 20."""
    return tuple(islice(_unknown_keys(value, kind, "$"), MAX_UNKNOWN_KEYS))


def camel(attribute: str) -> str:
    """The JSON key of an attribute: `boot_id` is `bootId`."""
    head, *tail = attribute.split("_")
    return head + "".join(part.title() for part in tail)


def spelled(key: str, *aliases: str) -> Mapping[str, object]:
    """Metadata of an attribute whose JSON key is `key`; what comes in may also use one of the aliases."""
    return {_SPELLINGS: (key, *aliases)}


def keys_of(attribute: attrs.Attribute[Any]) -> tuple[str, ...]:
    """The JSON keys of an attribute: the one that goes out, and the aliases that may come in."""
    return attribute.metadata.get(_SPELLINGS) or (camel(attribute.name),)


def join(path: str, key: str | int) -> str:
    """The JSON path of a key or an index below `path`: `$.a`, `$[0]`, `$["odd key"]`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    short = key if len(key) <= 64 else key[:64] + "…"
    return f"{path}.{short}" if short.isidentifier() else f"{path}[{json.dumps(short)}]"


def closest(word: str, words: Iterable[str]) -> str:
    """`; did you mean "port"?`, or nothing where no word is close."""
    # Of a long word only the beginning is compared: difflib takes quadratic time.
    close = difflib.get_close_matches(word[:64], list(words), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def _attempt(value: object, kind: type[T]) -> tuple[T | None, tuple[Problem, ...]]:
    try:
        return _CONVERTER.structure(value, kind), ()
    except (ClassValidationError, MismatchError) as error:
        return None, tuple(islice(_problems(error, "$"), MAX_PROBLEMS))


def _problems(error: Exception, path: str) -> Iterator[Problem]:
    if isinstance(error, ClassValidationError):
        of_attributes, of_class = error.group_exceptions()
        for cause, note in of_attributes:
            yield from _problems(cause, join(path, keys_of(getattr(attrs.fields(error.cl), note.name))[0]))
        for cause in of_class:
            yield from _problems(cause, path)
    elif isinstance(error, IterableValidationError):
        for cause, note in error.group_exceptions()[0]:
            yield from _problems(cause, join(path, note.index))
    elif isinstance(error, KeyError):
        yield Problem(path, "is missing")
    elif isinstance(error, ValueError):
        yield Problem(path, str(error))
    else:
        raise error


def _unknown_keys(value: object, kind: object, path: str) -> Iterator[Problem]:
    if _is_union(kind):
        for arm in get_args(kind):
            yield from _unknown_keys(value, arm, path)
    elif isinstance(value, dict) and isinstance(kind, type) and attrs.has(kind) and whole_of(kind) is None:
        known = {key: attribute.type for attribute in _attributes(kind) for key in keys_of(attribute)}
        for key, item in cast("JsonObject", value).items():
            if key in known:
                yield from _unknown_keys(item, known[key], join(path, key))
            else:
                yield Problem(join(path, key), f"unknown key{closest(key, known)}")
    elif isinstance(value, list) and get_origin(kind) is tuple:
        for index, item in enumerate(cast("list[object]", value)):
            yield from _unknown_keys(item, get_args(kind)[0], join(path, index))
    elif isinstance(value, dict) and get_origin(kind) is dict:
        for key, item in cast("JsonObject", value).items():
            yield from _unknown_keys(item, get_args(kind)[1], join(path, key))


def _attributes(kind: type) -> tuple[attrs.Attribute[Any], ...]:
    return attrs.fields(attrs.resolve_types(kind))


# ------------------------------------------------------------------- hooks


def _enum_hook(kind: type[Enum]) -> Callable[[object, object], Enum]:
    members = {member.value: member for member in kind}
    choices = ", ".join(json.dumps(value) for value in members)

    def structure_enum(value: object, _: object) -> Enum:
        if not isinstance(value, str) or value not in members:
            hint = closest(value, members) if isinstance(value, str) else ""
            raise MismatchError(f"must be one of {choices}, not {shape_of(value)}{hint}")
        return members[value]

    return structure_enum


def _tuple_hook(kind: type[tuple[object, ...]], converter: Converter) -> Callable[[object, object], object]:
    structure_list = list_structure_factory(kind, converter)

    def structure_tuple(value: object, _: object) -> tuple[object, ...]:
        if not isinstance(value, list):
            raise MismatchError(f"must be a list, not {shape_of(value)}")
        return tuple(structure_list(value, kind))

    return structure_tuple


def _mapping_hook(kind: type[dict[str, object]], converter: Converter) -> Callable[[object, object], object]:
    structure_members = mapping_structure_factory(kind, converter)

    def structure_mapping(value: object, _: object) -> dict[str, object]:
        return structure_members(object_of(value), kind)

    return structure_mapping


def _text_or_object_hook(kind: object, converter: Converter) -> Callable[[object, object], object]:
    (short,) = (arm for arm in get_args(kind) if attrs.has(arm))

    def structure_text_or_object(value: object, _: object) -> object:
        if isinstance(value, dict):
            return converter.structure(value, short)
        if value is None and NoneType in get_args(kind):
            return None
        if not isinstance(value, str):
            raise MismatchError(f"must be a text or an object, not {shape_of(value)}")
        return converter.structure(value, str)

    return structure_text_or_object


def _class_hook(kind: type[T], converter: Converter) -> Callable[[object, object], T]:
    if (only := whole_of(kind)) is not None:
        return lambda value, _: kind(**{only.name: object_of(value)})
    fields: dict[str, Any] = {}
    for attribute in _attributes(kind):
        hook = attribute.validator and _validating(attribute.validator, attribute, converter)
        fields[attribute.name] = override(rename=keys_of(attribute)[0], struct_hook=hook)
    structure_fields = make_dict_structure_fn(kind, converter, **fields)
    aliases = {alias: keys[0] for keys in map(keys_of, _attributes(kind)) for alias in keys[1:]}

    def structure_class(value: object, _: object) -> T:
        return structure_fields(_respelled(object_of(value), aliases), kind)

    return structure_class


def _respelled(value: JsonObject, aliases: Mapping[str, str]) -> JsonObject:
    """An object with the first spelling of each key."""
    for alias in aliases.keys() & value.keys():
        key = aliases[alias]
        if key in value:
            raise MismatchError(f"{alias} is another spelling of {key}; send one of them")
        value = {**value, key: value[alias]}
    return value


def _validating(
    validate: Callable[[Any, attrs.Attribute[Any], Any], Any], attribute: attrs.Attribute[Any], converter: Converter
) -> Callable[[object, type[object]], object]:
    """Run an attribute's validator while its path is known; what the class itself raises has none."""

    def structure_and_validate(value: object, kind: type[object]) -> object:
        result = converter.structure(value, kind)
        try:
            validate(None, attribute, result)
        except ValueError as error:
            raise MismatchError(in_words(validate) or str(error)) from None
        return result

    return structure_and_validate


def _class_out(kind: type[object], converter: Converter) -> Callable[[Any], JsonObject]:
    if (only := whole_of(kind)) is not None:
        return lambda value: getattr(value, only.name)
    fields: dict[str, Any] = {a.name: override(rename=keys_of(a)[0]) for a in _attributes(kind)}
    return make_dict_unstructure_fn(kind, converter, **fields)


def _is_list(kind: object) -> bool:
    return get_origin(kind) is tuple and get_args(kind)[1:] == (Ellipsis,)


def _is_text_or_number(kind: object) -> bool:
    return {str, int} <= set(get_args(kind)) <= {str, int, types.NoneType} and _is_union(kind)


def _is_union(kind: object) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


def _is_enum(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _is_mapping(kind: object) -> bool:
    return get_origin(kind) is dict


def _is_text_or_object(kind: object) -> bool:
    arms = set(get_args(kind)) - {NoneType} if get_origin(kind) in (Union, types.UnionType) else set[Any]()
    return len(arms) == 2 and str in arms and any(attrs.has(arm) for arm in arms)


def _converter() -> Converter:
    converter = Converter(unstruct_collection_overrides={tuple: list})
    for scalar, hook in ((bool, boolean), (int, whole_number), (float, number), (str, text)):
        converter.register_structure_hook(scalar, hook)
    converter.register_structure_hook_factory(_is_enum, _enum_hook)
    converter.register_structure_hook_factory(_is_list, _tuple_hook)
    converter.register_structure_hook_factory(_is_text_or_number, text_or_number_hook)
    converter.register_structure_hook_factory(_is_mapping, _mapping_hook)
    converter.register_structure_hook_factory(_is_text_or_object, _text_or_object_hook)
    converter.register_structure_hook_factory(attrs.has, _class_hook)
    converter.register_unstructure_hook_factory(attrs.has, _class_out)
    return converter


_CONVERTER = _converter()
