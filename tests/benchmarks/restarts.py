"""What clients notice of a restart in the process, and of a process that is killed."""

from __future__ import annotations

import http.client
import os
import signal
import time
from typing import Any

from tests.benchmarks.machine import BEARER, gateway
from tests.benchmarks.measured import milliseconds
from tests.e2e.harness import Gateway, until
from tests.e2e.load import Load


def in_process_restart(*, quick: bool) -> dict[str, Any]:
    """The longest wait of any client during a restart in the process, while clients ask all the time."""
    with gateway() as started:
        waits: list[float] = []
        quiet: list[float] = []
        for number in range(2, (20 if quick else 50) + 2):
            with Load(started.port, "/api/status", BEARER).running() as idle:
                time.sleep(0.1)
            quiet.append(idle.longest_seconds)
            with Load(started.port, "/api/status", BEARER).running() as load:
                time.sleep(0.05)
                started.signal(signal.SIGUSR1)
                until(lambda n=number: started.health()["generation"] == n, f"generation {number}")
                time.sleep(0.05)
            assert not load.failures, load.failures
            waits.append(load.longest_seconds)
        told = started.request("GET", "/api/status").json["lastRestart"]["durationMs"]
    return {
        "longest_wait_ms": milliseconds(waits, goal="<= 20"),
        "longest_wait_without_restart_ms": milliseconds(quiet),
        "last_restart_took_ms": told,
    }


def crash(*, quick: bool) -> dict[str, Any]:
    """From kill -9 of the gateway process to the next 200."""
    waits: list[float] = []
    for _ in range(3 if quick else 10):
        with gateway() as started:
            child = started.child_pid
            began = time.perf_counter()
            os.kill(child, signal.SIGKILL)
            until(lambda child=child, of=started: _answers(of) not in (None, child), "a new process answers")
            waits.append(time.perf_counter() - began)
    return {"to_next_health_ms": milliseconds(waits)}


def _answers(started: Gateway) -> int | None:
    """The gateway process that answers a request now; None where the answer is torn."""
    try:
        return started.health()["gatewayPid"]
    except (OSError, http.client.HTTPException):
        return None
