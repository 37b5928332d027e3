"""What may stand where in the configuration file, read from the classes of the settings.

A kind is the type of an attribute, such as `str | ModelChoice | None`; None is that of a key that nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

import attrs
from attrs import frozen

from xopc.contracts.convert import JsonObject, keys_of, unstructure


@frozen
class Member:
    """One key of an object whose keys are known."""

    key: str
    """The spelling that goes out."""
    spellings: tuple[str, ...]
    """All that may stand in the file, `key` first."""
    kind: object
    default: object
    """Of JSON, or the class whose own defaults it is."""

    def found_in(self, values: JsonObject) -> str:
        """How `values` spells it; as it goes out where it is not there."""
        return next((spelling for spelling in self.spellings if spelling in values), self.key)


def members_of(kind: object) -> Mapping[str, Member] | None:
    """The members of an object of this kind by each of their spellings; None where its keys are free."""
    cls = next((arm for arm in _arms(kind) if isinstance(arm, type) and attrs.has(arm)), None)
    return None if cls is None else _members(cls)


def distinct(members: Mapping[str, Member]) -> Iterator[Member]:
    """Each member once, in the order of its class."""
    return (member for spelling, member in members.items() if spelling == member.key)


def value_kind(kind: object) -> object:
    """The kind of the values of an object whose keys are free."""
    return next((get_args(arm)[1] for arm in _arms(kind) if get_origin(arm) is dict), None)


def item_kind(kind: object) -> object:
    """The kind of the items of a list."""
    return next((get_args(arm)[0] for arm in _arms(kind) if get_origin(arm) is tuple), None)


def _arms(kind: object) -> tuple[object, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


@cache
def _members(cls: type[attrs.AttrsInstance]) -> Mapping[str, Member]:
    members: dict[str, Member] = {}
    for attribute in attrs.fields(attrs.resolve_types(cls)):
        if isinstance(attribute.type, type) and attrs.has(attribute.type):
            default = attribute.type
        else:
            default = unstructure(_default_of(attribute))
        member = Member(keys_of(attribute)[0], keys_of(attribute), attribute.type, default)
        members |= dict.fromkeys(member.spellings, member)
    return members


def _default_of(attribute: attrs.Attribute[Any]) -> object:
    default: Any = attribute.default
    if default is attrs.NOTHING:
        return None
    return default.factory() if hasattr(default, "factory") else default
