"""Asking a gateway how it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.gateway import TOKEN, Behaviour, running_gateway, stranger
from tests.fakes.web_server import serving
from xopc.client.http import Client, NoAnswerError, RefusedError
from xopc.service.health import ask, health_of


def test_the_health_of_a_gateway_is_its_answer(home: Path) -> None:
    with running_gateway(home) as gateway:
        assert health_of(Client(f"http://127.0.0.1:{gateway.port}"))["generation"] == 1


@pytest.mark.parametrize("status", ["stopping", "restarting"])
def test_one_that_says_it_restarts_or_stops_is_heard(status: str) -> None:
    body = {"status": status, "service": "xopc-gateway"}
    with serving({"/api/health": (503, body)}) as url:
        assert health_of(Client(url)) == body


def test_row_048_an_error_is_not_health() -> None:
    with (
        serving({"/api/health": (500, {"status": "healthy", "service": "xopc-gateway"})}) as url,
        pytest.raises(RefusedError),
    ):
        health_of(Client(url))


def test_another_program_that_answers_is_not_a_gateway() -> None:
    with (
        serving({"/api/health": (200, {"status": "healthy"})}) as url,
        pytest.raises(NoAnswerError, match="not an xopc"),
    ):
        health_of(Client(url))


def test_all_there_is_to_know_is_asked_for(home: Path) -> None:
    with running_gateway(home, Behaviour(warnings=("a warning",))) as gateway:
        answer = ask(Client(f"http://127.0.0.1:{gateway.port}", TOKEN))
    assert answer.reachable
    assert not answer.is_unauthorized
    shown = answer.to_json()
    assert shown["reachable"] is True
    assert shown["durationMs"] >= 0
    assert (shown["status"], shown["version"], shown["authMode"]) == ("healthy", "0.1.0", "token")
    assert shown["warnings"] == ["a warning"]
    assert "error" not in shown


def test_the_credential_is_not_given_before_it_is_known_to_be_a_gateway(home: Path) -> None:
    with running_gateway(home) as gateway:
        ask(Client(f"http://127.0.0.1:{gateway.port}", TOKEN))
        assert gateway.requests() == ["/api/health None", f"/api/status Bearer {TOKEN}"]


def test_a_wrong_credential_leaves_the_health(home: Path) -> None:
    with running_gateway(home) as gateway:
        answer = ask(Client(f"http://127.0.0.1:{gateway.port}", "wrong"))
    assert answer.reachable
    assert answer.is_unauthorized
    assert answer.has_credential
    assert answer.details == {}
    assert "A valid token is needed." in answer.error


def test_without_a_credential_none_is_refused(home: Path) -> None:
    with running_gateway(home) as gateway:
        answer = ask(Client(f"http://127.0.0.1:{gateway.port}"))
    assert (answer.is_unauthorized, answer.has_credential) == (True, False)


def test_nobody_who_answers_is_told(home: Path) -> None:
    with stranger(home) as process:
        answer = ask(Client(f"http://127.0.0.1:{process.port}", timeout_seconds=0.1))
    assert not answer.reachable
    shown = answer.to_json()
    assert shown["reachable"] is False
    assert "no answer within 0.1 s" in shown["error"]


def test_details_that_do_not_come_leave_the_health() -> None:
    with serving({"/api/health": (200, {"status": "healthy", "service": "xopc-gateway"})}) as url:
        answer = ask(Client(url))
    assert answer.reachable
    assert "HTTP 404" in answer.error
