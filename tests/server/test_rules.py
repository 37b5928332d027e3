from __future__ import annotations

import pytest
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule

from xopc.server.rules import OTHER, Other, rule_of

PATHS = {
    "/jobs": ["GET"],
    "/jobs/metrics": ["GET"],
    "/jobs/chat-ids": ["GET"],
    "/jobs/{id}": ["GET", "DELETE"],
    "/jobs/{id}/run": ["POST"],
    "/jobs/all/history": ["GET"],
    "/jobs/{id}/history": ["GET", "POST"],
}


def found(method: str, path: str) -> tuple[str, dict[str, object]]:
    rules = [
        Rule(rule_of(path, PATHS), endpoint=path, methods=[method])
        for path, methods in PATHS.items()
        for method in methods
    ]
    url_map = Map(rules, converters={OTHER: Other})
    endpoint, values = url_map.bind("localhost").match(path, method)
    return endpoint, dict(values)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/jobs/metrics", "/jobs/metrics"),
        ("GET", "/jobs/5f0c", "/jobs/{id}"),
        ("GET", "/jobs/metrics2", "/jobs/{id}"),
        ("GET", "/jobs/all", "/jobs/{id}"),
        ("DELETE", "/jobs/Metrics", "/jobs/{id}"),
        ("POST", "/jobs/metrics/run", "/jobs/{id}/run"),
        ("GET", "/jobs/all/history", "/jobs/all/history"),
        ("GET", "/jobs/metrics/history", "/jobs/{id}/history"),
    ],
)
def test_a_path_is_that_of_its_own_words_or_else_of_a_parameter(method: str, path: str, expected: str) -> None:
    endpoint, values = found(method, path)
    assert endpoint == expected
    assert values == ({"id": path.split("/")[2]} if "{" in expected else {})


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/jobs/metrics"), ("DELETE", "/jobs/chat-ids"), ("POST", "/jobs/all/history")]
)
def test_what_a_parameter_could_do_cannot_be_done_to_a_word(method: str, path: str) -> None:
    with pytest.raises(MethodNotAllowed) as refused:
        found(method, path)
    assert set(refused.value.valid_methods or ()) <= {"GET", "HEAD"}


def test_what_is_no_path_at_all_is_not_found() -> None:
    with pytest.raises(NotFound):
        found("GET", "/jobs/5f0c/nothing")
