"""Reaching the running gateway over its restarts."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.fakes.gateway import TOKEN
from tests.fakes.scripted_api import announce
from xopc.cli import reach as module
from xopc.cli.gateway.target import find_target
from xopc.cli.reach import may_pass, reach
from xopc.client.http import NoAnswerError, RefusedError
from xopc.contracts.errors import Failure, XopcError


def test_the_first_attempt_is_at_once_and_has_all_the_time(home: Path) -> None:
    announce(4711)
    client = next(reach(None, 30))
    assert client.base_url == "http://127.0.0.1:4711"
    assert client.credential == TOKEN
    assert 29 < client.timeout_seconds <= 30


def test_without_a_gateway_nothing_is_tried(home: Path) -> None:
    with pytest.raises(XopcError, match="Gateway is not running"):
        next(reach(None, 30))


def test_each_attempt_looks_anew_where_the_gateway_listens(home: Path) -> None:
    attempts = reach(None, 30)
    announce(4711)
    next(attempts)
    announce(4712)
    assert next(attempts).base_url == "http://127.0.0.1:4712"


def test_attempts_end_when_the_time_is_over(home: Path) -> None:
    announce(4711)
    began = time.monotonic()
    left = [client.timeout_seconds for client in reach(None, 0.5)]
    assert 0.4 < time.monotonic() - began < 3
    assert left == sorted(left, reverse=True)
    assert all(0 < seconds <= 0.5 for seconds in left)


def test_a_gateway_that_is_away_for_a_moment_is_waited_for(home: Path) -> None:
    announce(4711)
    attempts = reach(None, 30)
    next(attempts)
    find_target(None).paths.lock_path.unlink()
    back = threading.Timer(0.5, announce, [4712])
    back.start()
    assert next(attempts).base_url == "http://127.0.0.1:4712"
    back.join()


def test_a_gateway_that_stays_away_is_given_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GONE_SECONDS", 0.3)
    announce(4711)
    attempts = reach(None, 30)
    next(attempts)
    find_target(None).paths.lock_path.unlink()
    began = time.monotonic()
    with pytest.raises(XopcError, match="Gateway is not running"):
        next(attempts)
    assert 0.2 < time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (NoAnswerError("http://127.0.0.1:1/x", "connection refused"), True),
        (RefusedError("http://127.0.0.1:1/x", 503, {"error": {"code": "UNAVAILABLE", "message": "Stopping."}}), True),
        (RefusedError("http://127.0.0.1:1/x", 400, None), False),
        (RefusedError("http://127.0.0.1:1/x", 401, None), False),
        (RefusedError("http://127.0.0.1:1/x", 500, None), False),
        (XopcError(Failure.CONFLICT, "no"), False),
    ],
)
def test_only_a_gateway_that_is_away_is_worth_another_attempt(error: XopcError, passes: bool) -> None:
    assert may_pass(error) is passes
