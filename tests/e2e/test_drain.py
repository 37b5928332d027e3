"""What is in flight when a restart or a stop comes: the real processes, with routes that take their time."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.harness import Gateway, Reply, until

Start = Callable[..., Gateway]
SLOW_GATEWAY = Path(__file__).parents[1] / "fakes" / "slow_gateway.py"


@pytest.fixture
def slow(start: Start) -> Gateway:
    return start(child=SLOW_GATEWAY)


class Asked(threading.Thread):
    """A request that is under way."""

    def __init__(self, gateway: Gateway, path: str) -> None:
        super().__init__(daemon=True)
        self._gateway = gateway
        self._path = path
        self.reply: Reply | None = None
        self.error: Exception | None = None
        self.ended = 0.0
        self.start()
        until(lambda: f"GET {path}\n" in gateway.text, "the gateway is at it")

    def run(self) -> None:
        try:
            self.reply = self._gateway.request("GET", self._path)
        except Exception as error:
            self.error = error
        self.ended = time.monotonic()


def test_row_101_a_stop_waits_for_a_request_of_three_seconds(slow: Gateway) -> None:
    asked = Asked(slow, "/slow/3")
    slow.signal(signal.SIGTERM)
    assert slow.wait_until_ended() == 0
    asked.join(5)
    assert asked.reply is not None, asked.error
    assert asked.reply.json == {"seconds": 3.0}
    assert asked.reply.headers["Connection"] == "close"


def test_row_102_a_stop_cuts_a_request_of_thirty_seconds(slow: Gateway) -> None:
    asked = Asked(slow, "/slow/30")
    began = time.monotonic()
    slow.signal(signal.SIGTERM)
    assert slow.wait_until_ended() == 0
    assert 4.5 < time.monotonic() - began <= 6.5
    asked.join(5)
    assert asked.reply is None


def test_a_request_that_comes_during_a_stop_is_sent_away_with_a_503(slow: Gateway) -> None:
    Asked(slow, "/slow/3")
    slow.signal(signal.SIGTERM)
    until(lambda: slow.health()["status"] == "stopping", "the stop is under way")
    reply = slow.request("GET", "/api/status")
    assert (reply.status, reply.json["error"]["code"]) == (503, "UNAVAILABLE")
    assert reply.headers["Connection"] == "close"


def test_health_says_stopping_during_a_stop(slow: Gateway) -> None:
    Asked(slow, "/slow/3")
    slow.signal(signal.SIGTERM)
    until(lambda: slow.health()["status"] == "stopping", "the stop is under way")
    assert slow.request("GET", "/health", token=None).status == 503


def test_a_restart_lets_the_old_request_finish_and_the_new_one_wait(slow: Gateway) -> None:
    old = Asked(slow, "/slow/2")
    slow.signal(signal.SIGUSR1)
    until(lambda: slow.health()["status"] == "restarting", "the restart is under way")
    new = slow.request("GET", "/api/status")
    ended = time.monotonic()
    old.join(10)
    assert old.reply is not None, old.error
    assert old.reply.status == 200
    assert new.json["health"]["generation"] == 2
    assert old.ended < ended


def test_a_restart_cuts_what_lasts_longer_than_its_drain(slow: Gateway) -> None:
    asked = Asked(slow, "/slow/30")
    slow.signal(signal.SIGUSR1)
    until(lambda: slow.health()["generation"] == 2, "the second generation serves", 10)
    asked.join(5)
    assert asked.reply is not None, asked.error
    assert (asked.reply.status, asked.reply.json["error"]["code"]) == (503, "UNAVAILABLE")


def test_a_stuck_thread_turns_a_restart_into_a_respawn(slow: Gateway) -> None:
    before = slow.health()
    Asked(slow, "/stuck/40")
    slow.signal(signal.SIGUSR1)
    until(lambda: slow.child_pid != before["gatewayPid"], "a new process runs", 25)
    until(lambda: slow.health()["status"] == "healthy", "it serves")
    restart = slow.request("GET", "/api/status").json["lastRestart"]
    assert (restart["kind"], restart["reason"]) == ("respawn", "SIGUSR1")


def test_a_stuck_thread_does_not_hold_up_a_stop(slow: Gateway) -> None:
    Asked(slow, "/stuck/40")
    began = time.monotonic()
    slow.signal(signal.SIGTERM)
    assert slow.wait_until_ended() == 0
    assert time.monotonic() - began <= 6.5


def test_a_stop_during_the_drain_of_a_restart_takes_five_seconds_in_all(slow: Gateway) -> None:
    Asked(slow, "/slow/30")
    slow.signal(signal.SIGUSR1)
    until(lambda: slow.health()["status"] == "restarting", "the restart is under way")
    began = time.monotonic()
    slow.signal(signal.SIGTERM)
    assert slow.wait_until_ended() == 0
    assert time.monotonic() - began <= 6.5


def test_the_requester_of_a_restart_gets_its_answer(slow: Gateway) -> None:
    reply = slow.request("POST", "/api/restart", body="{}", headers={"Content-Type": "application/json"})
    assert reply.status == 202
