"""What the gateway adds to a turn, and what 500 turns cost in memory."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.benchmarks.machine import new_home, pss_mb, running
from tests.benchmarks.measured import percentile, spread
from tests.e2e.harness import TOKEN, Gateway
from tests.e2e.outside import Outside, outside

Ask = Callable[[http.client.HTTPConnection, int], None]
BODY = "x" * 300
"""Of a message: a few sentences."""


def turns(*, quick: bool) -> dict[str, Any]:
    """The time of a turn through the gateway, less that of the same request to the model itself; and the memory."""
    rounds, count = (3, 50) if quick else (7, 400)
    with outside() as servers, new_home() as home:
        servers.configure(home)
        with running(home) as gateway:
            _through_gateway(gateway, 20, 1)
            idle = pss_mb(gateway.child_pid)
            added = {f"{sessions}_sessions": _added(servers, gateway, rounds, count, sessions) for sessions in (1, 8)}
            _through_gateway(gateway, 500, 4)
            after = pss_mb(gateway.child_pid)
    memory = {"idle_pss_mb": round(idle, 1), "after_500_turns_pss_mb": round(after, 1), "ratio": round(after / idle, 2)}
    return {"added_to_a_turn": added, "memory": memory}


def _added(servers: Outside, gateway: Gateway, rounds: int, count: int, sessions: int) -> dict[str, Any]:
    through: list[list[float]] = []
    direct: list[list[float]] = []
    for _ in range(rounds):
        direct.append(_directly(servers.model_port, count, sessions))
        through.append(_through_gateway(gateway, count, sessions))
    return {
        f"p{percent}_ms": {
            "gateway": spread(percentile(times, percent) for times in through),
            "model": spread(percentile(times, percent) for times in direct),
            "added": spread(
                (
                    percentile(ours, percent) - percentile(theirs, percent)
                    for ours, theirs in zip(through, direct, strict=True)
                ),
                goal="<= 3" if (percent, sessions) == (50, 1) else None,
            ),
        }
        for percent in (50, 99)
    }


def _through_gateway(gateway: Gateway, count: int, sessions: int) -> list[float]:
    headers = {"Content-Type": "application/json", "X-Api-Key": TOKEN}

    def ask(connection: http.client.HTTPConnection, session: int) -> None:
        body = {"message": f"say:{BODY}", "session": f"bench{session}"}
        connection.request("POST", "/api/agent", json.dumps(body), headers)
        answer = json.loads(connection.getresponse().read())
        assert answer.get("reply") == BODY, answer

    return _timed(gateway.port, count, sessions, ask)


def _directly(port: int, count: int, sessions: int) -> list[float]:
    def ask(connection: http.client.HTTPConnection, _session: int) -> None:
        message = {"role": "user", "content": f"say:{BODY}"}
        body = {"model": "echo", "stream": True, "stream_options": {"include_usage": True}, "messages": [message]}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        assert b"[DONE]" in connection.getresponse().read()

    return _timed(port, count, sessions, ask)


def _timed(port: int, count: int, sessions: int, ask: Ask) -> list[float]:
    """Milliseconds of each request, made by so many callers at once."""
    times: list[float] = []

    def call(session: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(count // sessions):
            began = time.perf_counter()
            ask(connection, session)
            times.append((time.perf_counter() - began) * 1000)
        connection.close()

    threads = [threading.Thread(target=call, args=(session,)) for session in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times
