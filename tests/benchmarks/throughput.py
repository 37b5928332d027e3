"""What the door and the framework cost: requests per second, and processor time for each."""

from __future__ import annotations

import os
from typing import Any

from tests.benchmarks.client import Throughput, measure
from tests.benchmarks.machine import BEARER, cpu_seconds, gateway, stock
from tests.benchmarks.measured import ratios, spread
from tests.e2e.harness import Gateway


def throughput(*, quick: bool) -> dict[str, Any]:
    """Requests per second on one core, and what they cost in CPU, against bare ASGI on stock hypercorn."""
    rounds, seconds = (3, 0.7) if quick else (7, 3.0)
    with stock() as (stock_pid, stock_port), gateway() as started:
        targets: dict[str, tuple[int, int, str, dict[str, str]]] = {
            "stock": (stock_pid, stock_port, "/", {}),
            "health": (started.child_pid, started.port, "/health", {}),
            "authenticated": (started.child_pid, started.port, "/api/status", BEARER),
        }
        before = os.sched_getaffinity(0)
        server, *others = sorted(before)
        os.sched_setaffinity(stock_pid, {server})
        os.sched_setaffinity(started.child_pid, {server})
        os.sched_setaffinity(0, others or before)
        seen: dict[str, list[Throughput]] = {name: [] for name in targets}
        cost: dict[str, list[float]] = {name: [] for name in targets}
        for _ in range(rounds):
            for name, (pid, port, path, headers) in targets.items():
                spent = cpu_seconds(pid)
                result = measure(port, path, headers, connections=32, seconds=seconds)
                cost[name].append((cpu_seconds(pid) - spent) / result.requests * 1e6)
                seen[name].append(result)
        os.sched_setaffinity(0, before)
    return {
        name: {
            "requests_per_second": spread(_rates(runs), digits=0),
            "ratio_to_stock": spread(
                ratios(_rates(runs), _rates(seen["stock"])), goal=">= 1.5" if name == "health" else None
            ),
            "cpu_us_per_request": spread(cost[name], digits=0),
            "p50_ms": spread(run.p50_ms for run in runs),
            "p99_ms": spread(run.p99_ms for run in runs),
        }
        for name, runs in seen.items()
    }


def door(*, quick: bool) -> dict[str, Any]:
    """Requests per second of one GET with a credential, as a program and as a page, against mode `none`."""
    rounds, seconds = (3, 0.7) if quick else (7, 3.0)
    page = {"Origin": "http://localhost:3000"}
    with gateway(mode="none") as open_one, gateway() as guarded:
        targets: dict[str, tuple[Gateway, dict[str, str]]] = {
            "none": (open_one, {}),
            "authenticated": (guarded, BEARER),
            "none_from_a_page": (open_one, page),
            "authenticated_from_a_page": (guarded, BEARER | page),
        }
        seen: dict[str, list[Throughput]] = {name: [] for name in targets}
        for _ in range(rounds):
            for name, (asked, headers) in targets.items():
                seen[name].append(measure(asked.port, "/api/tree", headers, connections=32, seconds=seconds))
    rates = {name: _rates(runs) for name, runs in seen.items()}
    return {
        "authenticated_ratio_to_none": spread(ratios(rates["authenticated"], rates["none"]), goal=">= 0.85"),
        "from_a_page_ratio_to_none": spread(ratios(rates["authenticated_from_a_page"], rates["none_from_a_page"])),
    }


def _rates(runs: list[Throughput]) -> list[float]:
    return [run.per_second for run in runs]
