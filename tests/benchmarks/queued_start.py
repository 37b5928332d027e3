"""What a start costs when an earlier process left very much behind: messages to send, and messages to answer."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.benchmarks.machine import new_home, peak_rss_mb
from tests.benchmarks.measured import milliseconds, ratios, spread
from tests.benchmarks.prepared import with_inbox, with_outbox
from tests.e2e.harness import Gateway
from tests.e2e.outside import Outside, outside

AFTER_SECONDS = 2.0
"""From the first answer to the look at the memory: by then everything that a start takes up was taken up. Meanwhile
somebody asks all the time."""


@frozen
class Start:
    """What was seen of one."""

    seconds: float
    """From the command to a 200 of /health that says `healthy`."""
    longest_wait_seconds: float
    """Of those who asked after that."""
    peak_mb: float


def queued_start(*, quick: bool) -> dict[str, Any]:
    """Starts with nothing to do, with an outbox that is full and with an inbox that is, in turns."""
    count, rounds = (10_000, 2) if quick else (100_000, 5)
    fillings: dict[str, Callable[[Path, int], None]] = {"outbox": with_outbox, "inbox": with_inbox}
    with outside() as servers, new_home() as shelf:
        for name, fill in fillings.items():
            fill(shelf / name, count)
        seen: dict[str, list[Start]] = {name: [] for name in ("empty", *fillings)}
        for _ in range(rounds):
            for name, starts in seen.items():
                starts.append(_start(servers, shelf / name))
    empty = seen["empty"]
    return {
        "queued": count,
        **{
            name: {
                "to_healthy_ms": milliseconds(start.seconds for start in starts),
                "time_ratio": spread(
                    ratios([start.seconds for start in starts], [start.seconds for start in empty]), goal="<= 2"
                ),
                "longest_wait_after_that_ms": milliseconds(start.longest_wait_seconds for start in starts),
                "peak_rss_mb": spread((start.peak_mb for start in starts), digits=1),
                "memory_ratio": spread(
                    ratios([start.peak_mb for start in starts], [start.peak_mb for start in empty]), goal="<= 2"
                ),
            }
            for name, starts in seen.items()
        },
    }


def _start(servers: Outside, database: Path) -> Start:
    """One start with a copy of the database, or without any."""
    with new_home() as home:
        servers.configure(home)
        if database.exists():
            shutil.copy(database, home / ".xopc" / "xopc.db")
        began = time.perf_counter()
        gateway = Gateway(home, "--port", "0")
        try:
            while gateway.health()["status"] != "healthy":
                time.sleep(0.005)
            seconds = time.perf_counter() - began
            return Start(seconds, _longest_wait(gateway), peak_rss_mb(gateway.child_pid))
        finally:
            gateway.kill()


def _longest_wait(gateway: Gateway) -> float:
    longest, end = 0.0, time.perf_counter() + AFTER_SECONDS
    while (asked := time.perf_counter()) < end:
        assert gateway.health()["status"] == "healthy"
        longest = max(longest, time.perf_counter() - asked)
        time.sleep(0.02)
    return longest
