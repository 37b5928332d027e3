from __future__ import annotations

from enum import Enum
from typing import Any, cast

import pytest
from attrs import field, frozen
from attrs.validators import ge, matches_re, max_len
from jsonschema import Draft202012Validator

from xopc.contracts.convert import spelled
from xopc.contracts.limits import ID
from xopc.contracts.openapi.stand_in import stand_in
from xopc.contracts.schemas import Schemas


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@frozen
class Stem:
    height: float
    is_green: bool


@frozen
class Plant:
    name: str = field(validator=ID, metadata=spelled("plant_name", "plantName"))
    short: str = field(validator=max_len(3))
    age: int = field(validator=ge(7))
    colour: Colour
    stem: Stem
    leaves: tuple[str, ...]
    pot: str | int | None
    place: Stem | str
    nothing: None = None
    light: Colour = Colour.BLUE
    other: str | None = field(default=None, metadata=spelled("other", "another"))


@frozen
class Patterned:
    code: str = field(validator=matches_re("[0-9]{3}"))


@frozen
class Endless:
    inner: Endless


def made(kind: type[object], *, sent: bool) -> object:
    schemas = Schemas()
    schema = schemas.refer(kind, sent=sent)
    value = stand_in(schema, schemas.components)
    whole = {**schema, "components": {"schemas": schemas.components}}
    cast("Any", Draft202012Validator(whole)).validate(value)
    return value


def test_what_is_asked_for_holds_what_is_needed() -> None:
    assert made(Plant, sent=False) == {
        "plant_name": "plant_name",
        "short": "sho",
        "age": 7,
        "colour": "red",
        "stem": {"height": 1.5, "isGreen": True},
        "leaves": [],
        "pot": "pot",
        "place": {"height": 1.5, "isGreen": True},
    }


def test_what_is_sent_holds_everything() -> None:
    whole = made(Plant, sent=True)
    assert isinstance(whole, dict)
    assert whole["light"] == "red"
    assert whole["other"] == "other"
    assert whole["nothing"] is None


@pytest.mark.parametrize("kind", [Patterned, Endless])
def test_where_there_is_no_simple_choice_there_is_none(kind: type[object]) -> None:
    with pytest.raises(ValueError, match=r"pattern|holds itself"):
        made(kind, sent=True)
