from __future__ import annotations

from enum import Enum
from typing import Any, cast

import pytest
from attrs import field, frozen
from attrs.validators import and_, ge, le, matches_re, max_len, min_len, optional
from jsonschema import Draft202012Validator

from xopc.contracts.convert import LIMITS, spelled, structure, unstructure
from xopc.contracts.errors import InvalidValueError
from xopc.contracts.limits import ID, MAX_WHOLE, SOMETIMES
from xopc.contracts.schemas import Schemas


class Colour(Enum):
    """What it looks like."""

    RED = "red"
    DARK_RED = "dark-red"


@frozen
class Branch:
    """A thing that holds its like."""

    name: str
    colour: Colour
    weight: float | None = None
    is_alive: bool = True
    leaf_count: int = 0
    branches: tuple[Branch, ...] = ()


@frozen
class Limited:
    title: str = field(default="", validator=max_len(3))
    note: str | None = field(default=None, validator=optional(max_len(4)))
    code: str = field(default="a", validator=and_(matches_re("[a-z]+"), min_len(1), max_len(5)))
    rank: int = field(default=1, validator=and_(ge(1), le(9)))


@frozen
class Spelled:
    """Keys of their own, with other spellings."""

    chat: str | int = field(metadata=spelled("chat_id", "chatId"))
    key: str | None = field(default=None, metadata=spelled("idempotency_key", "idempotencyKey", "key"))
    notes: dict[str, Any] = field(factory=dict[str, Any])


def accepts(kind: type[object], value: object) -> bool:
    schemas = Schemas()
    reference = schemas.refer(kind, sent=False)
    schema = {**reference, "components": {"schemas": schemas.components}}
    Draft202012Validator.check_schema(schema)
    return cast("Any", Draft202012Validator(schema)).is_valid(value)


WHOLE: dict[str, object] = {
    "name": "a",
    "colour": "red",
    "weight": 1.5,
    "isAlive": False,
    "leafCount": 2,
    "branches": [],
}
VALUES: list[object] = [
    WHOLE,
    {"name": "a", "colour": "dark-red"},
    {**WHOLE, "branches": [WHOLE]},
    {**WHOLE, "branches": [{**WHOLE, "name": 1}]},
    {**WHOLE, "weight": None},
    {**WHOLE, "weight": 3},
    {**WHOLE, "weight": "3"},
    {**WHOLE, "colour": "RED"},
    {**WHOLE, "isAlive": None},
    {**WHOLE, "isAlive": 1},
    {**WHOLE, "leafCount": 1.5},
    {**WHOLE, "leafCount": 1.0},
    {**WHOLE, "leafCount": MAX_WHOLE},
    {**WHOLE, "leafCount": MAX_WHOLE + 1},
    {**WHOLE, "leafCount": 1e300},
    {**WHOLE, "leafCount": True},
    {**WHOLE, "leaf_count": 1},
    {**WHOLE, "branches": {}},
    {"colour": "red"},
    {},
    [],
    None,
    "a",
]
LIMITED: list[object] = [
    {"rank": 0},
    {"rank": 1},
    {"rank": 9},
    {"rank": 10},
    {},
    {"title": "abc"},
    {"title": "abcd"},
    {"note": None},
    {"note": "abcd"},
    {"note": "abcde"},
    {"code": "abcde"},
    {"code": "abcdef"},
    {"code": "A"},
    {"code": "aA"},
]


SPELLED: list[object] = [
    {"chat_id": "a"},
    {"chatId": "a"},
    {"chat_id": 5},
    {"chat_id": None},
    {"chat_id": 5.5},
    {"chat_id": 5.0},
    {"chat_id": 10**20},
    {"chat_id": True},
    {"chat_id": "a", "chatId": "a"},
    {"chat": "a"},
    {},
    {"chat_id": "a", "idempotency_key": "k"},
    {"chat_id": "a", "idempotencyKey": "k"},
    {"chat_id": "a", "key": None},
    {"chat_id": "a", "key": "k", "idempotencyKey": "k"},
    {"chat_id": "a", "notes": {"b": [1]}},
    {"chat_id": "a", "notes": []},
]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((Branch, value) for value in VALUES),
        *((Limited, value) for value in LIMITED),
        *((Spelled, value) for value in SPELLED),
    ],
)
def test_the_schema_takes_what_the_converter_takes(kind: type[object], value: object) -> None:
    try:
        structure(value, kind)
    except InvalidValueError:
        assert not accepts(kind, value)
    else:
        assert accepts(kind, value)


def test_what_is_sent_has_every_attribute_and_may_have_more_one_day() -> None:
    schemas = Schemas()
    assert schemas.refer(Branch, sent=True) == {"$ref": "#/components/schemas/Branch"}
    branch = schemas.components["Branch"]
    assert branch["required"] == list(unstructure(Branch("a", Colour.RED)))
    assert "additionalProperties" not in branch
    assert branch["description"] == "A thing that holds its like."
    assert schemas.components["Colour"] == {
        "description": "What it looks like.",
        "type": "string",
        "enum": ["red", "dark-red"],
    }


def test_what_is_sent_has_one_spelling() -> None:
    schemas = Schemas()
    schemas.refer(Spelled, sent=True)
    spelled_keys = schemas.components["Spelled"]["required"]
    assert spelled_keys == list(unstructure(Spelled("a"))) == ["chat_id", "idempotency_key", "notes"]


@frozen
class Told:
    chat: str | int = field(validator=ID)
    """Where."""
    note: str = field(default="", metadata={LIMITS: {"maxLength": 4}})
    colour: Colour = Colour.RED
    """Its colour."""
    branches: tuple[Branch, ...] = ()
    other: dict[str, Any] = field(factory=dict[str, Any])


def test_an_attribute_is_told_with_its_text_its_limits_and_its_default() -> None:
    schemas = Schemas()
    schemas.refer(Told, sent=False)
    told = schemas.components["Told"]["properties"]
    assert told["chat"] == {
        "type": ["string", "integer"],
        "minimum": -MAX_WHOLE,
        "maximum": MAX_WHOLE,
        **ID.limits,
        "description": "Where.",
    }
    assert told["note"] == {"type": "string", "maxLength": 4, "default": ""}
    assert told["colour"] == {
        "$ref": "#/components/schemas/Colour",
        "description": "Its colour.",
        "default": "red",
    }
    assert told["branches"]["default"] == []
    assert "default" not in told["other"]


def test_what_is_sent_has_no_defaults_and_no_limits_of_numbers() -> None:
    schemas = Schemas()
    schemas.refer(Branch, sent=True)
    assert schemas.components["Branch"]["properties"]["leafCount"] == {"type": "integer"}


def test_what_is_sent_only_where_it_says_something_may_be_missing() -> None:
    @frozen
    class Changed:
        key: str
        name: str | None = field(default=None, metadata=SOMETIMES)
        is_old: bool = False

    schemas = Schemas()
    schemas.refer(Changed, sent=True)
    assert schemas.components["Changed"]["required"] == ["key", "isOld"]


def test_an_attribute_of_an_unknown_kind_is_named() -> None:
    @frozen
    class Odd:
        pairs: tuple[int, str]

    with pytest.raises(TypeError, match=r"Odd\.pairs: no JSON Schema is known for tuple\[int, str\]"):
        Schemas().refer(Odd, sent=True)


def test_two_classes_of_one_name_are_refused() -> None:
    schemas = Schemas()
    schemas.refer(Branch, sent=True)
    other = frozen(type("Branch", (), {}))
    with pytest.raises(ValueError, match="two classes are named Branch"):
        schemas.refer(other, sent=True)
