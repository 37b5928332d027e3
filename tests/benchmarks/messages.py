"""How fast `POST /api/message` stores messages, through the door and all."""

from __future__ import annotations

import json
from typing import Any

from tests.benchmarks.client import Throughput, measure
from tests.benchmarks.enqueues import BODY
from tests.benchmarks.machine import BEARER, new_home, running
from tests.benchmarks.measured import ratios, spread
from tests.e2e.harness import TOKEN, write_config

CALLERS = (1, 64)
NOBODY = "http://127.0.0.1:9"
"""A platform that is not there: the outbox tries now and then, and the way in has the machine to itself."""


def messages(*, quick: bool) -> dict[str, Any]:
    """Requests per second by one caller and by many at once."""
    rounds, seconds = (3, 0.7) if quick else (7, 3.0)
    bodies = [
        json.dumps({"channel": "telegram", "chat_id": str(chat), "content": BODY}) for chat in range(max(CALLERS))
    ]
    telegram = {"enabled": True, "botToken": "123456:an-invented-token-of-a-bot", "apiRoot": NOBODY}
    seen: dict[int, list[Throughput]] = {callers: [] for callers in CALLERS}
    with new_home() as home:
        write_config(home, {"gateway": {"auth": {"token": TOKEN}}, "channels": {"telegram": telegram}})
        with running(home) as gateway:
            for _ in range(rounds):
                for callers in CALLERS:
                    seen[callers].append(
                        measure(
                            gateway.port, "/api/message", BEARER, connections=callers, seconds=seconds, bodies=bodies
                        )
                    )
    rates = {callers: [run.per_second for run in runs] for callers, runs in seen.items()}
    return {
        f"{callers}_callers": {
            "per_second": spread(rates[callers], digits=0),
            "ratio_to_one_caller": spread(ratios(rates[callers], rates[1])),
            "p50_ms": spread(run.p50_ms for run in runs),
            "p99_ms": spread(run.p99_ms for run in runs),
        }
        for callers, runs in seen.items()
    }
