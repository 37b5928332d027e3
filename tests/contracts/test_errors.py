from __future__ import annotations

import pytest

from xopc.contracts.errors import ConfigError, Failure, InvalidValueError, Problem, XopcError
from xopc_supervisor.contract import EXIT_CONFIG, EXIT_FAILURE, EXIT_OK, EXIT_USAGE


@pytest.mark.parametrize("failure", list(Failure))
def test_every_failure_has_its_place_on_each_surface(failure: Failure) -> None:
    assert failure.code.isupper()
    assert 400 <= failure.http <= 599
    assert 1000 <= failure.websocket < 5000
    assert failure.exit in (EXIT_FAILURE, EXIT_USAGE, EXIT_CONFIG)
    assert failure.exit != EXIT_OK


def test_failures_that_share_a_code_stay_apart() -> None:
    assert Failure.INVALID_REQUEST is not Failure.METHOD_NOT_ALLOWED
    assert Failure.METHOD_NOT_ALLOWED.http == 405
    assert Failure.BODY_TOO_LARGE.http == 413
    assert Failure.NOT_JSON.http == 415
    assert len(Failure.__members__) == len(list(Failure))


def test_an_error_is_its_message() -> None:
    error = XopcError(Failure.NOT_FOUND, "no such session")
    assert str(error) == error.message == "no such session"
    assert error.failure is Failure.NOT_FOUND


def test_a_problem_reads_as_path_and_text() -> None:
    assert str(Problem("$.gateway.port", "is missing")) == "$.gateway.port: is missing"


def test_an_invalid_value_names_all_its_problems_in_one_line() -> None:
    error = InvalidValueError(Problem("$.a", "is missing"), Problem("$.b", "must be a text"))
    assert error.failure is Failure.INVALID_REQUEST
    assert error.message == "$.a: is missing; $.b: must be a text"
    assert [problem.path for problem in error.problems] == ["$.a", "$.b"]


def test_a_configuration_s_problems_stand_a_line_each_below_their_source() -> None:
    error = ConfigError("/etc/xopc.json", Problem("$.gateway.port", "is wrong"), Problem("--bind", "is no mode"))
    assert error.message == "/etc/xopc.json\n  $.gateway.port: is wrong\n  --bind: is no mode"
    assert error.failure.exit == EXIT_CONFIG
    assert error.source == "/etc/xopc.json"
    assert len(error.problems) == 2


def test_a_problem_of_the_source_itself_does_not_repeat_it() -> None:
    assert ConfigError("--token", Problem("--token", "is empty")).message == "--token\n  is empty"
