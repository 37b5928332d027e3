from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any

from attrs import field, frozen
from attrs.validators import ge, max_len
from openapi_spec_validator import OpenAPIV31SpecValidator

from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure
from xopc.contracts.openapi import document


class Colour(Enum):
    """What it looks like."""

    RED = "red"
    DARK_RED = "dark-red"


@frozen
class Branch:
    """A thing that holds its like."""

    name: str
    colour: Colour
    branches: tuple[Branch, ...] = ()


@frozen
class Limited:
    title: str = field(default="", validator=max_len(3))


@frozen
class Search:
    leaf_count: int = field(default=1, validator=ge(1))
    names: tuple[str, ...] = ()
    colour: Colour = Colour.RED


@frozen
class Operation:
    method: str = "POST"
    path: str = "/api/branches"
    summary: str = "Grow."
    scope: Scope | None = Scope.WRITE
    request: type[object] | None = Branch
    query: type[object] | None = None
    response: type[object] | None = Limited
    frames: tuple[type[object], ...] = ()
    takes_token_in_query: bool = False
    status: HTTPStatus = HTTPStatus.CREATED
    also: Mapping[HTTPStatus, type[object]] = field(factory=dict[HTTPStatus, type[object]])
    failures: tuple[Failure, ...] = (Failure.INVALID_REQUEST,)


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


def test_parameters_of_the_query_are_the_attributes_of_a_class() -> None:
    operation = described(Operation(path="/api/{tree}", query=Search))["paths"]["/api/{tree}"]["post"]
    in_path, *in_query = operation["parameters"]
    assert in_path["in"] == "path"
    assert in_query == [
        {"name": "leafCount", "in": "query", "schema": {"type": "integer", "minimum": 1}},
        {"name": "names", "in": "query", "explode": False, "schema": {"type": "array", "items": {"type": "string"}}},
        {"name": "colour", "in": "query", "schema": {"$ref": "#/components/schemas/Colour"}},
    ]


def test_a_stream_is_an_answer_beside_the_json_and_names_what_its_events_carry() -> None:
    result = described(Operation(frames=(Branch,)), Operation(method="GET", response=None, frames=(Limited,)))
    methods = result["paths"]["/api/branches"]
    both = methods["post"]["responses"]["201"]["content"]
    assert both["application/json"]["schema"] == {"$ref": "#/components/schemas/Limited"}
    assert both["text/event-stream"]["x-frames"] == [{"$ref": "#/components/schemas/Branch"}]
    alone = methods["get"]["responses"]["201"]["content"]
    assert list(alone) == ["text/event-stream"]
    assert alone["text/event-stream"]["x-frames"] == [{"$ref": "#/components/schemas/Limited"}]


def test_where_a_token_in_the_query_counts_it_is_a_third_way_in() -> None:
    result = described(Operation(takes_token_in_query=True))
    security = result["paths"]["/api/branches"]["post"]["security"]
    assert security == [{"bearer": []}, {"apiKey": []}, {"token": []}]
    assert result["components"]["securitySchemes"]["token"] == {"type": "apiKey", "in": "query", "name": "token"}
