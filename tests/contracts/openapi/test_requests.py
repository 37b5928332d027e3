from __future__ import annotations

from typing import Any

from attrs import field, frozen
from attrs.validators import ge

from tests.fakes.operations import Colour, Limited, Operation, described
from xopc.contracts.convert import spelled
from xopc.contracts.limits import MAX_WHOLE, PATH_TEXT, VISIBLE, Text
from xopc.contracts.openapi.operations import PathParameter


@frozen
class Search:
    leaf_count: int = field(default=1, validator=ge(1))
    """At least so many."""
    names: tuple[str, ...] = ()
    colour: Colour = Colour.RED


SAID = {"pattern": VISIBLE}


@frozen
class Asking:
    asker: str | None = field(default=None, validator=Text(1, 2), metadata=spelled("X-Asker"))


def test_a_body_of_which_nothing_is_needed_may_be_left_out() -> None:
    operation = described(Operation(request=Limited))["paths"]["/api/branches"]["post"]
    assert operation["requestBody"]["required"] is False


def test_parameters_of_the_query_are_the_attributes_of_a_class() -> None:
    operation = described(Operation(path="/api/{tree}", query=Search))["paths"]["/api/{tree}"]["post"]
    in_path, *in_query = operation["parameters"]
    assert in_path["in"] == "path"
    whole = {"type": "integer", "minimum": 1, "maximum": MAX_WHOLE, "default": 1}
    names: dict[str, Any] = {"type": "array", "items": {"type": "string"}, "default": []}
    colour = {"$ref": "#/components/schemas/Colour", "default": "red"}
    empty = {"in": "query", "allowEmptyValue": True}
    assert in_query == [
        {"name": "leafCount", **empty, "description": "At least so many.", "schema": whole},
        {"name": "names", "in": "query", "explode": False, "schema": names},
        {"name": "colour", **empty, "schema": colour},
    ]


def test_headers_are_parameters_too_and_never_null() -> None:
    operation = described(Operation(headers=Asking))["paths"]["/api/branches"]["post"]
    assert operation["parameters"] == [
        {"name": "X-Asker", "in": "header", "schema": {"type": "string", "minLength": 1, "maxLength": 2, **SAID}}
    ]


def test_parameters_of_the_path_have_limits_and_may_have_a_text_and_an_example() -> None:
    told = {"tree": PathParameter("Which.", "oak")}
    operation = described(Operation(path="/api/{tree}/{id}", path_parameters=told))["paths"]["/api/{tree}/{id}"]["post"]
    tree, other = operation["parameters"]
    assert (tree["description"], tree["example"]) == ("Which.", "oak")
    assert "description" not in other
    assert tree["schema"] == other["schema"] == {"type": "string", **PATH_TEXT.limits}
