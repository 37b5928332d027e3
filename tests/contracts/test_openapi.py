from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any, cast

import pytest
from attrs import field, frozen
from attrs.validators import and_, matches_re, max_len, min_len, optional
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from xopc.contracts.auth import Scope
from xopc.contracts.convert import structure, unstructure
from xopc.contracts.errors import Failure, InvalidValueError
from xopc.contracts.openapi import Schemas, document


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


@frozen
class Operation:
    method: str = "POST"
    path: str = "/api/branches"
    summary: str = "Grow."
    scope: Scope | None = Scope.WRITE
    request: type[object] | None = Branch
    response: type[object] = Limited
    status: HTTPStatus = HTTPStatus.CREATED
    also: Mapping[HTTPStatus, type[object]] = field(factory=dict[HTTPStatus, type[object]])
    failures: tuple[Failure, ...] = (Failure.INVALID_REQUEST,)


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


@pytest.mark.parametrize(
    ("kind", "value"), [*((Branch, value) for value in VALUES), *((Limited, value) for value in LIMITED)]
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


def described(*operations: Operation) -> dict[str, Any]:
    result = document("things", "1.2.3", operations)
    assert list(OpenAPIV31SpecValidator(result).iter_errors()) == []
    return result


def test_an_operation_is_described_from_its_declaration() -> None:
    grow = described(Operation())["paths"]["/api/branches"]["post"]
    assert grow["operationId"] == "postApiBranches"
    assert grow["summary"] == "Grow."
    assert grow["x-scope"] == "operator.write"
    assert grow["security"] == [{"bearer": []}, {"apiKey": []}]
    assert grow["requestBody"] == {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Branch"}}},
    }
    assert list(grow["responses"]) == ["201", "400"]


def test_a_body_of_which_nothing_is_needed_may_be_left_out() -> None:
    operation = described(Operation(request=Limited))["paths"]["/api/branches"]["post"]
    assert operation["requestBody"]["required"] is False


def test_an_operation_without_scope_or_body_has_neither() -> None:
    operation = described(Operation(method="GET", scope=None, request=None))["paths"]["/api/branches"]["get"]
    assert operation["security"] == []
    assert operation.keys() == {"operationId", "summary", "responses", "security"}


def test_parameters_of_the_path_are_listed() -> None:
    operation = described(Operation(path="/api/{tree}/branches/{branch_id}"))
    (path,) = operation["paths"].values()
    assert path["post"]["operationId"] == "postApiTreeBranchesBranchId"
    assert [(item["name"], item["in"], item["required"]) for item in path["post"]["parameters"]] == [
        ("tree", "path", True),
        ("branch_id", "path", True),
    ]


def test_methods_of_one_path_stand_together() -> None:
    assert described(Operation(), Operation(method="DELETE"))["paths"]["/api/branches"].keys() == {"post", "delete"}


def test_failures_of_one_status_share_a_response_with_an_example_each() -> None:
    result = described(Operation(failures=(Failure.INVALID_REQUEST, Failure.CONFLICT, Failure.BAD_CONFIG)))
    responses = result["paths"]["/api/branches"]["post"]["responses"]
    assert responses["400"] == {"$ref": "#/components/responses/InvalidRequestOrBadConfig"}
    assert responses["409"] == {"$ref": "#/components/responses/Conflict"}
    content = result["components"]["responses"]["InvalidRequestOrBadConfig"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/ErrorBody"}
    assert content["examples"].keys() == {"INVALID_REQUEST", "BAD_CONFIG"}


def test_every_failure_can_be_described() -> None:
    result = described(Operation(failures=tuple(Failure)))
    for item in result["components"]["responses"].values():
        assert item["description"]
        for example in item["content"]["application/json"]["examples"].values():
            assert example["value"]["error"].keys() == {"code", "message"}
    statuses = result["paths"]["/api/branches"]["post"]["responses"]
    assert set(statuses) == {"201", *(str(failure.http.value) for failure in Failure)}


def test_another_answer_takes_the_place_of_the_failures_of_its_status() -> None:
    operation = Operation(also={HTTPStatus.BAD_REQUEST: Branch})
    answer = described(operation)["paths"]["/api/branches"]["post"]["responses"]["400"]
    assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Branch"}


def test_a_class_that_goes_both_ways_may_be_taken_with_gaps() -> None:
    result = described(Operation(request=None, response=Limited), Operation(method="PUT", request=Limited))
    assert "required" not in result["components"]["schemas"]["Limited"]
