from __future__ import annotations

from http import HTTPStatus

import pytest

from tests.fakes.operations import Branch, Limited, Operation, described
from xopc.contracts.errors import Failure
from xopc.contracts.openapi.document import document
from xopc.contracts.openapi.operations import Link


def test_an_operation_is_described_from_its_declaration() -> None:
    grow = described(Operation())["paths"]["/api/branches"]["post"]
    assert grow["operationId"] == "postApiBranches"
    assert grow["summary"] == "Grow."
    assert grow["x-scope"] == "operator.write"
    assert grow["security"] == [{"bearer": []}, {"apiKey": []}]
    assert grow["requestBody"] == {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Branch"},
                "example": {"name": "name", "colour": "red"},
            }
        },
    }
    assert list(grow["responses"]) == ["201", "400"]


def test_an_operation_without_scope_or_body_has_neither() -> None:
    operation = described(Operation(method="GET", scope=None, request=None))["paths"]["/api/branches"]["get"]
    assert operation["security"] == []
    assert operation.keys() == {"operationId", "summary", "tags", "responses", "security"}


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
            assert example["value"]["error"].keys() - {"retryAfter"} == {"code", "message"}
    limited = result["components"]["responses"]["RateLimited"]
    assert limited["headers"]["Retry-After"]["required"]
    assert limited["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/RateLimitedBody"}
    statuses = result["paths"]["/api/branches"]["post"]["responses"]
    assert set(statuses) == {"201", *(str(failure.http.value) for failure in Failure)}


def test_another_answer_takes_the_place_of_the_failures_of_its_status() -> None:
    operation = Operation(also={HTTPStatus.BAD_REQUEST: Branch})
    answer = described(operation)["paths"]["/api/branches"]["post"]["responses"]["400"]
    assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Branch"}


def test_a_class_that_goes_both_ways_may_be_taken_with_gaps() -> None:
    result = described(Operation(request=None, response=Limited), Operation(method="PUT", request=Limited))
    assert "required" not in result["components"]["schemas"]["Limited"]


def test_examples_are_shown_where_they_are_declared_and_made_up_elsewhere() -> None:
    declared = Operation(
        request_examples={"small": {"name": "twig", "colour": "red"}},
        response_examples={HTTPStatus.CREATED: Limited("oak")},
        also={HTTPStatus.OK: Limited},
    )
    operation = described(declared)["paths"]["/api/branches"]["post"]
    body = operation["requestBody"]["content"]["application/json"]
    assert body["examples"] == {"small": {"value": {"name": "twig", "colour": "red"}}}
    examples = {
        status: operation["responses"][status]["content"]["application/json"]["example"] for status in ("200", "201")
    }
    assert examples == {"200": {"title": "tit"}, "201": {"title": "oak"}}


def test_what_a_failure_always_carries_is_a_header_of_its_answer() -> None:
    failures = (Failure.UNAUTHORIZED, Failure.METHOD_NOT_ALLOWED, Failure.CONFLICT)
    responses = described(Operation(failures=failures))["components"]["responses"]
    assert responses["Unauthorized"]["headers"]["WWW-Authenticate"]["required"]
    assert responses["MethodNotAllowed"]["headers"].keys() == {"Allow"}
    assert "headers" not in responses["Conflict"]


def test_an_answer_leads_to_what_may_be_asked_next() -> None:
    cut = Operation(method="DELETE", path="/api/branches/{name}", request=None)
    by_name = Link("cut", "DELETE /api/branches/{name}", {"name": "$response.body#/name"})
    by_body = Link("grow", "POST /api/branches", body={"name": "$response.body#/name"})
    grow = described(Operation(links=(by_name, by_body)), cut)["paths"]["/api/branches"]["post"]
    assert grow["responses"]["201"]["links"] == {
        "cut": {"operationId": "deleteApiBranchesName", "parameters": {"name": "$response.body#/name"}},
        "grow": {"operationId": "postApiBranches", "requestBody": {"name": "$response.body#/name"}},
    }
    assert "links" not in grow["responses"]["400"]


def test_a_link_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match="POST /api/branches links to GET /api/roots, which there is not"):
        described(Operation(links=(Link("root", "GET /api/roots"),)))


def test_an_answer_that_is_no_json_has_its_own_type() -> None:
    page = described(Operation(method="GET", request=None, response=str, media_type="text/html; charset=utf-8"))
    content = page["paths"]["/api/branches"]["get"]["responses"]["201"]["content"]
    assert content == {"text/html": {"schema": {"type": "string"}}}


@pytest.mark.parametrize(
    ("path", "said", "tag"),
    [
        ("/api/branches/{id}", None, "branches"),
        ("/health", None, "health"),
        ("/api", None, "api"),
        ("/api/x", "more", "more"),
    ],
)
def test_operations_stand_in_groups(path: str, said: str | None, tag: str) -> None:
    result = described(Operation(path=path, tag=said))
    assert result["tags"] == [{"name": tag}]
    assert result["paths"][path]["post"]["tags"] == [tag]


def test_the_document_says_where_it_is_from() -> None:
    assert described(Operation())["servers"][0]["url"] == "/"
    assert document("things", "1", [Operation()], "All of them.")["info"]["description"] == "All of them."


def test_a_stream_is_an_answer_beside_the_json_and_names_what_its_events_carry() -> None:
    event = {"id": "1", "event": "grown", "data": "{}"}
    result = described(
        Operation(frames=(Branch,), stream_example=event), Operation(method="GET", response=None, frames=(Limited,))
    )
    methods = result["paths"]["/api/branches"]
    both = methods["post"]["responses"]["201"]["content"]
    assert both["application/json"]["schema"] == {"$ref": "#/components/schemas/Limited"}
    assert both["text/event-stream"]["schema"]["properties"].keys() == event.keys()
    assert both["text/event-stream"]["example"] == event
    assert both["text/event-stream"]["x-frames"] == [{"$ref": "#/components/schemas/Branch"}]
    alone = methods["get"]["responses"]["201"]["content"]
    assert list(alone) == ["text/event-stream"]
    assert alone["text/event-stream"]["x-frames"] == [{"$ref": "#/components/schemas/Limited"}]


def test_where_a_token_in_the_query_counts_it_is_a_third_way_in() -> None:
    result = described(Operation(takes_token_in_query=True))
    security = result["paths"]["/api/branches"]["post"]["security"]
    assert security == [{"bearer": []}, {"apiKey": []}, {"token": []}]
    scheme = result["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "query", "token")
