"""Between JSON and the frozen classes of the contracts: the one converter of the project.

A key is the attribute's name in camel case (`boot_id` is `bootId`), an enum travels by its value, a tuple as a list.
Scalars are taken as they are written: "5" is no number, 1 is not true, 1.0 is not whole. A message never shows the
value that it refuses, which may be a secret, but only what kind of value it is.
"""

from __future__ import annotations

import difflib
import json
import math
import types
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from itertools import islice
from typing import Any, TypeAlias, TypeVar, Union, cast, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.cols import list_structure_factory
from cattrs.errors import ClassValidationError, IterableValidationError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from xopc.contracts.errors import InvalidValueError, Problem

T = TypeVar("T")

JsonObject: TypeAlias = "dict[str, Any]"

MAX_UNKNOWN_KEYS = 20
"""So many are named; a hostile body could hold a hundred thousand."""


def structure(value: object, kind: type[T]) -> T:
    """A value of JSON as a `kind`, such as the body of a request.

    Raises:
        InvalidValueError: with every problem and its path, unknown keys among them.
    """
    result, problems = _attempt(value, kind)
    problems += unknown_keys(value, kind)
    if problems:
        raise InvalidValueError(*problems)
    return cast("T", result)


def structure_known(value: object, kind: type[T]) -> tuple[T, tuple[Problem, ...]]:
    """As `structure`, but unknown keys are left out, and come back beside the result.

    Raises:
        InvalidValueError: with every other problem and its path.
    """
    result, problems = _attempt(value, kind)
    if problems:
        raise InvalidValueError(*problems)
    return cast("T", result), unknown_keys(value, kind)


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


class _MismatchError(ValueError):
    """A value is not of the kind that it should be. The text says what it should be."""


def _attempt(value: object, kind: type[T]) -> tuple[T | None, tuple[Problem, ...]]:
    try:
        return _CONVERTER.structure(value, kind), ()
    except (ClassValidationError, _MismatchError) as error:
        return None, tuple(_problems(error, "$"))


def _problems(error: Exception, path: str) -> Iterator[Problem]:
    if isinstance(error, ClassValidationError):
        of_attributes, of_class = error.group_exceptions()
        for cause, note in of_attributes:
            yield from _problems(cause, join(path, camel(note.name)))
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
    if get_origin(kind) in (Union, types.UnionType):
        for arm in get_args(kind):
            yield from _unknown_keys(value, arm, path)
    elif isinstance(value, dict) and isinstance(kind, type) and attrs.has(kind):
        known = {camel(attribute.name): attribute.type for attribute in _attributes(kind)}
        for key, item in cast("JsonObject", value).items():
            if key in known:
                yield from _unknown_keys(item, known[key], join(path, key))
            else:
                yield Problem(join(path, key), f"unknown key{closest(key, known)}")
    elif isinstance(value, list) and get_origin(kind) is tuple:
        for index, item in enumerate(cast("list[object]", value)):
            yield from _unknown_keys(item, get_args(kind)[0], join(path, index))


def _attributes(kind: type) -> tuple[attrs.Attribute[Any], ...]:
    return attrs.fields(attrs.resolve_types(kind))


# ------------------------------------------------------------------- hooks


def _boolean(value: object, _: object) -> bool:
    if not isinstance(value, bool):
        raise _MismatchError(f"must be true or false, not {_shape(value)}")
    return value


def _whole_number(value: object, _: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _MismatchError(f"must be a whole number, not {_shape(value)}")
    return value


def _number(value: object, _: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _MismatchError(f"must be a number, not {_shape(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _MismatchError("must be a number of ordinary size")
    return number


def _text(value: object, _: object) -> str:
    if not isinstance(value, str):
        raise _MismatchError(f"must be a text, not {_shape(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _MismatchError("holds half a surrogate pair, which no encoding can carry") from None
    return value


def _shape(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case "":
            return "an empty text"
        case str():
            return f"a text of length {len(value)}"
        case dict():
            return "an object"
        case _:
            return "a list"


def _enum_hook(kind: type[Enum]) -> Callable[[object, object], Enum]:
    members = {member.value: member for member in kind}
    choices = ", ".join(json.dumps(value) for value in members)

    def structure_enum(value: object, _: object) -> Enum:
        if not isinstance(value, str) or value not in members:
            hint = closest(value, members) if isinstance(value, str) else ""
            raise _MismatchError(f"must be one of {choices}, not {_shape(value)}{hint}")
        return members[value]

    return structure_enum


def _tuple_hook(kind: type[tuple[object, ...]], converter: Converter) -> Callable[[object, object], object]:
    structure_list = list_structure_factory(kind, converter)

    def structure_tuple(value: object, _: object) -> tuple[object, ...]:
        if not isinstance(value, list):
            raise _MismatchError(f"must be a list, not {_shape(value)}")
        return tuple(structure_list(value, kind))

    return structure_tuple


def _class_hook(kind: type[T], converter: Converter) -> Callable[[object, object], T]:
    fields: dict[str, Any] = {}
    for attribute in _attributes(kind):
        hook = attribute.validator and _validating(attribute.validator, attribute, converter)
        fields[attribute.name] = override(rename=camel(attribute.name), struct_hook=hook)
    structure_fields = make_dict_structure_fn(kind, converter, **fields)

    def structure_class(value: object, _: object) -> T:
        if not isinstance(value, dict):
            raise _MismatchError(f"must be an object, not {_shape(value)}")
        return structure_fields(cast("JsonObject", value), kind)

    return structure_class


def _validating(
    validate: Callable[[Any, attrs.Attribute[Any], Any], Any], attribute: attrs.Attribute[Any], converter: Converter
) -> Callable[[object, type[object]], object]:
    """Run an attribute's validator while its path is known; what the class itself raises has none."""

    def structure_and_validate(value: object, kind: type[object]) -> object:
        result = converter.structure(value, kind)
        validate(None, attribute, result)
        return result

    return structure_and_validate


def _class_out(kind: type[object], converter: Converter) -> Callable[[Any], JsonObject]:
    fields: dict[str, Any] = {a.name: override(rename=camel(a.name)) for a in _attributes(kind)}
    return make_dict_unstructure_fn(kind, converter, **fields)


def _is_list(kind: object) -> bool:
    return get_origin(kind) is tuple and get_args(kind)[1:] == (Ellipsis,)


def _is_enum(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _converter() -> Converter:
    converter = Converter(unstruct_collection_overrides={tuple: list})
    for scalar, hook in ((bool, _boolean), (int, _whole_number), (float, _number), (str, _text)):
        converter.register_structure_hook(scalar, hook)
    converter.register_structure_hook_factory(_is_enum, _enum_hook)
    converter.register_structure_hook_factory(_is_list, _tuple_hook)
    converter.register_structure_hook_factory(attrs.has, _class_hook)
    converter.register_unstructure_hook_factory(attrs.has, _class_out)
    return converter


_CONVERTER = _converter()
