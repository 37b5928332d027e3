from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import pytest
from quart_trio.wrappers import TrioResponse
from structlog.testing import capture_logs
from werkzeug.exceptions import BadGateway, ImATeapot, MethodNotAllowed, NotFound, RequestEntityTooLarge, RequestTimeout

from xopc.contracts.api.status import ErrorDetail
from xopc.contracts.errors import Failure, InvalidValueError, Problem, XopcError
from xopc.server.answers import answered, failed, written
from xopc.storage.base import StorageError

ABSENT = XopcError(Failure.NOT_FOUND, "No such job.")
TAKEN = XopcError(Failure.CONFLICT, "It runs already.")


async def body(response: TrioResponse) -> Any:  # noqa: ANN401 - JSON is of any kind
    assert response.headers["Content-Type"] == "application/json"
    return json.loads(await response.get_data(as_text=False))


async def test_a_value_goes_out_as_compact_json_in_utf_8() -> None:
    response = await answered(HTTPStatus.ACCEPTED, ErrorDetail("CODE", "你好 \x00"))
    data = await response.get_data(as_text=False)
    assert data == '{"code":"CODE","message":"你好 \\u0000"}'.encode()
    assert response.status_code == 202
    assert response.headers["Content-Length"] == str(len(data))


async def test_a_text_goes_out_as_it_is_under_its_own_type() -> None:
    response = written(HTTPStatus.OK, "<p>你好</p>", "text/html; charset=utf-8")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert await response.get_data(as_text=False) == "<p>你好</p>".encode()


async def test_half_a_surrogate_pair_goes_out_as_its_escape() -> None:
    assert await body(await answered(HTTPStatus.OK, ErrorDetail("CODE", "a\ud83d"))) == {
        "code": "CODE",
        "message": "a\ud83d",
    }


@pytest.mark.parametrize("failure", Failure)
async def test_every_failure_goes_out_with_its_code_and_status(failure: Failure) -> None:
    response = failed(XopcError(failure, "What, where, and the cure."), "GET /")
    assert response.status_code == failure.http
    assert await body(response) == {"error": {"code": failure.code, "message": "What, where, and the cure."}}


@pytest.mark.parametrize(
    ("failure", "name", "value"),
    [
        (Failure.UNAUTHORIZED, "WWW-Authenticate", "Bearer"),
        (Failure.BODY_TIMEOUT, "Connection", "close"),
        (Failure.BODY_TOO_LARGE, "Connection", "close"),
    ],
)
def test_some_failures_bring_a_header(failure: Failure, name: str, value: str) -> None:
    assert failed(XopcError(failure, "…"), "GET /").headers[name] == value
    assert name not in failed(ABSENT, "GET /").headers


async def test_problems_of_a_body_stand_in_the_message() -> None:
    error = InvalidValueError(Problem("$.a", "is missing"), Problem("$.b", "must be a text, not null"))
    assert (await body(failed(error, "GET /")))["error"] == {
        "code": "INVALID_REQUEST",
        "message": "$.a: is missing; $.b: must be a text, not null",
    }


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound(), 404, "NOT_FOUND"),
        (MethodNotAllowed(["POST", "GET"]), 405, "INVALID_REQUEST"),
        (RequestTimeout(), 408, "INVALID_REQUEST"),
        (RequestEntityTooLarge(), 413, "INVALID_REQUEST"),
        (ImATeapot(), 500, "INTERNAL_ERROR"),
        (BadGateway(), 500, "INTERNAL_ERROR"),
    ],
)
async def test_errors_of_the_framework_go_out_as_our_own(error: Exception, status: int, code: str) -> None:
    with capture_logs():
        response = failed(error, "GET /")
    assert response.status_code == status
    assert (await body(response))["error"]["code"] == code


def test_allowed_methods_are_named() -> None:
    assert failed(MethodNotAllowed(["POST", "GET"]), "GET /").headers["Allow"] == "GET, POST"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ExceptionGroup("", [ABSENT]), 404),
        (ExceptionGroup("", [ExceptionGroup("", [ABSENT])]), 404),
        (ExceptionGroup("", [TAKEN, ABSENT]), 409),
        (ExceptionGroup("", [ABSENT, ValueError()]), 500),
        (ExceptionGroup("", [ValueError()]), 500),
    ],
)
def test_what_a_nursery_wrapped_is_unwrapped_unless_it_hides_an_unforeseen_error(error: Exception, status: int) -> None:
    with capture_logs():
        assert failed(error, "GET /").status_code == status


async def test_an_unforeseen_error_is_logged_with_its_cause_and_not_shown() -> None:
    error = ExceptionGroup("", [ABSENT, ValueError("/home/ann/.xopc/secret")])
    with capture_logs() as logs:
        response = failed(error, "GET /api/jobs")
    assert logs == [
        {"event": "request failed", "log_level": "error", "request": "GET /api/jobs", "exc_info": error},
    ]
    assert "ann" not in json.dumps(await body(response))


def test_a_foreseen_error_is_not_logged() -> None:
    with capture_logs() as logs:
        failed(ABSENT, "GET /")
    assert logs == []


async def test_a_storage_that_fails_is_unavailable_and_what_it_said_goes_to_the_log_alone() -> None:
    with capture_logs() as logs:
        response = failed(StorageError("/home/ann/.xopc/xopc.db: the disk is full"), "POST /api/message")
    assert response.status_code == 503
    error = (await body(response))["error"]
    assert error["code"] == "UNAVAILABLE"
    assert "/home" not in error["message"]
    assert [(entry["request"], entry["error"]) for entry in logs] == [
        ("POST /api/message", "/home/ann/.xopc/xopc.db: the disk is full")
    ]
