from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from quart_trio import QuartTrio

from tests.fakes.asgi import Answer, ask
from tests.fakes.door import open_door
from tests.fakes.generation import BEARER, Generation
from tests.fakes.message_path import MessagePath
from tests.fakes.requests import ask_well
from xopc import __version__
from xopc.contracts.errors import Failure
from xopc.server.api import ROUTES
from xopc.server.app import build_app
from xopc.server.routes import Route
from xopc.server.sse import EVENT_STREAM
from xopc.server.wire.gate import Gate

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "api.md"
STRANGER = (b"x-api-key", b"an-invented-wrong-token")


async def document(app: QuartTrio) -> dict[str, Any]:
    answer = await ask(app, "GET", "/openapi.json")
    assert answer.status == 200
    return answer.json


def response(described: dict[str, Any], route: Route, answer: Answer) -> Any:  # noqa: ANN401 - JSON is of any kind
    """What the document says of this answer; fails if it says nothing."""
    found = described["paths"][route.path][route.method.lower()]["responses"][str(answer.status)]
    kind = answer.headers["content-type"].partition(";")[0]
    return resolve(described, found)["content"][kind]["schema"]


def check_frames(described: dict[str, Any], route: Route, answer: Answer) -> None:
    """Each event of a stream carries what one of its declared frames may be."""
    content = described["paths"][route.path][route.method.lower()]["responses"]["200"]["content"][EVENT_STREAM]
    whole = {"anyOf": content["x-frames"], "components": described["components"]}
    lines = [line.removeprefix("data: ") for line in answer.body.decode().split("\n") if line.startswith("data: ")]
    assert lines
    for line in lines:
        cast("Any", Draft202012Validator(whole)).validate(json.loads(line))


def resolve(described: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    for name in part.get("$ref", "#").split("/")[1:]:
        described = described[name]
    return described if "$ref" in part else part


async def test_each_operation_shows_requests_and_answers_that_fit_its_schemas(app: QuartTrio) -> None:
    described = await document(app)
    for route in ROUTES:
        operation = described["paths"][route.path][route.method.lower()]
        bodies = [resolve(described, answer) for answer in operation["responses"].values()]
        bodies += [operation["requestBody"]] if "requestBody" in operation else []
        for body in bodies:
            for kind, content in body["content"].items():
                whole = {**content["schema"], "components": described["components"]}
                shown = [example["value"] for example in content.get("examples", {}).values()]
                shown += [content["example"]] if "example" in content else []
                assert shown or kind == "text/html", (route, kind)
                for value in shown:
                    cast("Any", Draft202012Validator(whole)).validate(value)


async def test_each_parameter_of_the_path_has_an_example_that_names_something(app: QuartTrio) -> None:
    described = await document(app)
    listed = [item for item in described["paths"]["/api/sessions/{key}"]["get"]["parameters"] if item["in"] == "path"]
    for item in listed:
        cast("Any", Draft202012Validator(item["schema"])).validate(item["example"])


async def test_the_index_says_where_to_begin_without_a_credential(app: QuartTrio) -> None:
    index = await ask(app, "GET", "/api")
    assert (index.status, index.json["name"], index.json["version"]) == (200, "xopc-gateway", __version__)
    for name in ("reference", "openapi", "health"):
        assert (await ask(app, "GET", index.json[name])).status == 200


async def test_the_page_for_people_is_html_that_needs_nothing_else(app: QuartTrio) -> None:
    answer = await ask(app, "GET", "/docs")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    text = answer.body.decode()
    assert not re.findall(r"<script|<link|<img|\son[a-z]+=|src=|@import|url\(", text)
    for route in ROUTES:
        assert f"<b>{route.method}</b> {route.path}</code></h3>" in text


async def test_the_document_is_valid_openapi_3_1(app: QuartTrio) -> None:
    described = await document(app)
    assert described["openapi"].startswith("3.1.")
    assert described["info"]["version"] == __version__
    assert list(OpenAPIV31SpecValidator(described).iter_errors()) == []


async def test_the_document_describes_exactly_the_routes_and_itself(app: QuartTrio) -> None:
    paths = (await document(app))["paths"]
    assert {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods} == set(
        map(str, ROUTES)
    )
    for route in ROUTES:
        operation = paths[route.path][route.method.lower()]
        assert operation["summary"] == route.summary
        assert operation.get("x-scope") == (route.scope and route.scope.value)
        schemes = ["bearer", "apiKey", *(["token"] if route.takes_token_in_query else [])]
        assert operation["security"] == ([{scheme: []} for scheme in schemes] if route.scope else [])


async def test_each_operation_has_a_name_of_its_own(app: QuartTrio) -> None:
    names = [item["operationId"] for methods in (await document(app))["paths"].values() for item in methods.values()]
    assert len(names) == len(set(names)) == len(ROUTES)
    assert {"getOpenapiJson", "postApiAgent", "deleteApiSessionsKey", "postApiOutboundIdRetry"} <= set(names)


@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_what_a_route_answers_fits_what_the_document_says(route: Route, path: MessagePath, gate: Gate) -> None:
    gate.open(Generation(path=path).services())
    app = build_app(gate, open_door())
    described = await document(app)
    leaves = route.request is None and bool(route.frames)  # nothing is wrong with a body that is ignored
    hostile = [
        await ask(app, route.method, f"{route.path}?\xff", [BEARER]),
        await ask(app, route.method, route.path, [STRANGER]),
        await ask(app, "PATCH", route.path, [BEARER]),
        await ask(app, route.method, route.path, [BEARER], b"{", glances=leaves),
        await ask(app, route.method, route.path, [BEARER, (b"content-type", b"text/plain")], b"{}", glances=leaves),
        await ask(app, route.method, route.path, [BEARER], b" " * 2_000_000, glances=leaves),
    ]
    good = await ask_well(app, path, route, BEARER)
    gate.shut()
    hostile.append(await ask(app, route.method, route.path, [BEARER]))
    assert good.status == route.status
    for answer in (good, *hostile):
        schema = response(described, route, answer)
        if answer.headers["content-type"] == EVENT_STREAM:
            check_frames(described, route, answer)
        elif answer.headers["content-type"].startswith(("text/html", "text/plain")):
            assert schema == {"type": "string"}
        elif answer.status != 503 or 503 not in route.also:  # before a stopping gateway stands its health
            whole = {**schema, "components": described["components"]}
            cast("Any", Draft202012Validator(whole)).validate(answer.json)


def test_the_reference_in_the_docs_names_every_route_scope_status_and_code() -> None:
    sections = re.split(r"(?m)^## ", REFERENCE.read_text())
    for route in ROUTES:
        (section,) = [section for section in sections if section.startswith(f"`{route}`\n")]
        assert f"Scope: {f'`{route.scope.value}`' if route.scope else 'none'}" in section
        for status in {route.status, *(failure.http for failure in route.failures)}:
            assert re.search(rf"\b{status.value}\b", section), (route, status)
    codes = next(section for section in sections if section.startswith("Errors\n"))
    for failure in Failure:
        assert f"| `{failure.code}` | {failure.http.value} |" in codes
