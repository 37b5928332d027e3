from __future__ import annotations

import pytest
from attrs import field, frozen

from xopc.contracts.convert import JsonObject, structure, unstructure
from xopc.contracts.errors import InvalidValueError
from xopc.contracts.schemas import Schemas
from xopc.contracts.whole import example_of, whole, whole_of


@frozen
class Weather:
    """Whatever there is to tell of it."""

    values: JsonObject = field(metadata=whole({"rain": True}))


@frozen
class Report:
    weather: Weather
    note: str = ""


def test_the_object_is_taken_with_all_of_its_keys_and_goes_out_as_it_came() -> None:
    value = {"weather": {"rain": 3, "values": None, "wind": {"from": ["n", 1.5]}}, "note": "wet"}
    report = structure(value, Report)
    assert report == Report(Weather({"rain": 3, "values": None, "wind": {"from": ["n", 1.5]}}), "wet")
    assert unstructure(report) == value
    assert structure({}, Weather) == Weather({})


@pytest.mark.parametrize("value", [None, [], "a", 1, True])
def test_only_an_object_is_an_object(value: object) -> None:
    with pytest.raises(InvalidValueError, match=r"^\$: must be an object, not"):
        structure(value, Weather)
    with pytest.raises(InvalidValueError, match=r"^\$\.weather: must be an object, not"):
        structure({"weather": value}, Report)


def test_the_schema_is_an_object_with_its_description_and_an_example() -> None:
    schemas = Schemas()
    assert schemas.refer(Weather, sent=False) == {"$ref": "#/components/schemas/Weather"}
    assert schemas.components["Weather"] == {
        "description": "Whatever there is to tell of it.",
        "type": "object",
        "examples": [{"rain": True}],
    }


def test_a_class_whose_attributes_are_the_keys_has_no_such_attribute() -> None:
    assert whole_of(Report) is None
    attribute = whole_of(Weather)
    assert attribute is not None
    assert attribute.name == "values"
    assert example_of(attribute) == {"rain": True}
