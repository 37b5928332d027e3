"""Measures the gateway and prints JSON: `python -m tests.benchmarks.run [--quick]`.

Every speed is a ratio to a baseline measured in the same run, in rounds that take turns, because machines differ
and share their cores. Figures are medians. Nothing here is asserted; what is promised is written beside the figure.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.client import Throughput, measure
from tests.benchmarks.events import event_streams
from tests.benchmarks.path import enqueues, turns
from tests.e2e.harness import TOKEN, Gateway, until, write_config
from tests.e2e.load import Load

BEARER = {"Authorization": f"Bearer {TOKEN}"}
SERVER_CPU, CLIENT_CPU = 0, 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    quick = parser.parse_args().quick
    rounds, seconds = (3, 1.0) if quick else (7, 3.0)
    repeats = 3 if quick else 10
    results = {
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "start": start_up(repeats),
        "memory": idle_memory(),
        "throughput": throughput(rounds, seconds),
        "door": door(rounds, seconds),
        "in_process_restart": in_process_restart(20 if quick else 50),
        "crash": crash(repeats),
        "turns": turns(2 if quick else 5, 80 if quick else 400),
        "durable_enqueues": enqueues(2 if quick else 5, 0.5 if quick else 2.0),
        "event_streams": event_streams(200 if quick else 1000, 1.5 if quick else 5.0),
    }
    json.dump(results, sys.stdout, indent=2)
    sys.stdout.write("\n")


@contextmanager
def gateway(**auth: str) -> Generator[Gateway]:
    """A ready gateway in a temporary home, with a token unless told otherwise."""
    with tempfile.TemporaryDirectory() as directory:
        write_config(Path(directory), {"gateway": {"auth": auth or {"token": TOKEN}}})
        started = Gateway(Path(directory), "--port", "0")
        try:
            yield started.wait_until_ready()
        finally:
            started.kill()


@contextmanager
def stock() -> Generator[tuple[int, int]]:
    """The baseline server: its pid and port."""
    command = [sys.executable, "-m", "tests.benchmarks.stock"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        yield process.pid, int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def start_up(repeats: int) -> dict[str, Any]:
    """From the command to the first 200 of /health, beside the start of an interpreter with trio and Quart."""
    ours: list[float] = []
    imports: list[float] = []
    for _ in range(repeats):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import quart_trio"], check=True)
        imports.append(time.perf_counter() - began)
        with tempfile.TemporaryDirectory() as directory:
            write_config(Path(directory), {"gateway": {"auth": {"token": TOKEN}}})
            began = time.perf_counter()
            started = Gateway(Path(directory), "--port", "0")
            try:
                assert started.health()["status"] == "healthy"
                ours.append(time.perf_counter() - began)
            finally:
                started.kill()
    return {
        "to_first_health_ms": milliseconds(ours),
        "import_quart_trio_ms": milliseconds(imports),
        "ratio": round(statistics.median(ours) / statistics.median(imports), 2),
    }


def idle_memory() -> dict[str, Any]:
    """Proportional set size of both processes, a second after the start, and of an interpreter that imports Quart."""
    baseline = subprocess.run(
        [sys.executable, "-c", "import quart_trio; print(open('/proc/self/smaps_rollup').read())"],
        check=True,
        capture_output=True,
        text=True,
    )
    with gateway() as started:
        started.request("GET", "/api/status")
        time.sleep(1)
        supervisor, child = pss_kb(started.process.pid), pss_kb(started.child_pid)
    imported = pss_of(baseline.stdout)
    return {
        "supervisor_pss_mb": round(supervisor / 1024, 1),
        "gateway_pss_mb": round(child / 1024, 1),
        "import_quart_trio_pss_mb": round(imported / 1024, 1),
        "ratio": round((supervisor + child) / imported, 2),
    }


def throughput(rounds: int, seconds: float) -> dict[str, Any]:
    """Requests per second on one core, and what they cost in CPU, against bare ASGI on stock hypercorn."""
    with stock() as (stock_pid, stock_port), gateway() as started:
        targets: dict[str, tuple[int, int, str, dict[str, str]]] = {
            "stock": (stock_pid, stock_port, "/", {}),
            "health": (started.child_pid, started.port, "/health", {}),
            "authenticated": (started.child_pid, started.port, "/api/status", BEARER),
        }
        os.sched_setaffinity(stock_pid, {SERVER_CPU})
        os.sched_setaffinity(started.child_pid, {SERVER_CPU})
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {CLIENT_CPU} & before or before)
        seen: dict[str, list[Throughput]] = {name: [] for name in targets}
        cost: dict[str, list[float]] = {name: [] for name in targets}
        for _ in range(rounds):
            for name, (pid, port, path, headers) in targets.items():
                spent = cpu_seconds(pid)
                result = measure(port, path, headers, connections=32, seconds=seconds)
                cost[name].append((cpu_seconds(pid) - spent) / result.requests * 1e6)
                seen[name].append(result)
        os.sched_setaffinity(0, before)
    rates = {name: statistics.median(run.per_second for run in runs) for name, runs in seen.items()}
    return {
        name: {
            "requests_per_second": round(rates[name]),
            "ratio_to_stock": round(statistics.median(pairwise(runs, seen["stock"])), 2),
            "cpu_us_per_request": round(statistics.median(cost[name])),
            "p50_ms": round(statistics.median(run.p50_ms for run in runs), 2),
            "p99_ms": round(statistics.median(run.p99_ms for run in runs), 2),
        }
        for name, runs in seen.items()
    } | {"promised": {"health ratio_to_stock": 1.5}}


def door(rounds: int, seconds: float) -> dict[str, Any]:
    """Requests per second of one GET with a credential, as a program and as a page, against mode `none`."""
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
    return {
        "authenticated_ratio_to_none": round(statistics.median(pairwise(seen["authenticated"], seen["none"])), 2),
        "from_a_page_ratio_to_none": round(
            statistics.median(pairwise(seen["authenticated_from_a_page"], seen["none_from_a_page"])), 2
        ),
        "promised": {"authenticated_ratio_to_none": 0.85},
    }


def in_process_restart(count: int) -> dict[str, Any]:
    """The longest wait of any client during a restart in the process, while clients ask all the time."""
    with gateway() as started:
        waits: list[float] = []
        quiet: list[float] = []
        for number in range(2, count + 2):
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
        "longest_wait_ms": milliseconds(waits),
        "longest_wait_without_restart_ms": milliseconds(quiet),
        "last_restart_took_ms": told,
        "promised": {"longest_wait_ms": 20},
    }


def crash(repeats: int) -> dict[str, Any]:
    """From kill -9 of the gateway process to the next 200."""
    waits: list[float] = []
    for _ in range(repeats):
        with gateway() as started:
            child = started.child_pid
            began = time.perf_counter()
            os.kill(child, signal.SIGKILL)
            until(lambda child=child, of=started: answers(of) not in (None, child), "a new process answers")
            waits.append(time.perf_counter() - began)
    return {"to_next_health_ms": milliseconds(waits)}


def answers(started: Gateway) -> int | None:
    """The gateway process that answers a request now; None where the answer is torn."""
    try:
        return started.health()["gatewayPid"]
    except (OSError, http.client.HTTPException):
        return None


def milliseconds(values: list[float]) -> dict[str, float]:
    """Smallest, middle and largest of seconds."""
    ordered = sorted(value * 1000 for value in values)
    return {"min": round(ordered[0], 1), "median": round(statistics.median(ordered), 1), "max": round(ordered[-1], 1)}


def pairwise(ours: list[Throughput], theirs: list[Throughput]) -> list[float]:
    return [one.per_second / other.per_second for one, other in zip(ours, theirs, strict=True)]


def pss_kb(pid: int) -> int:
    return pss_of(Path(f"/proc/{pid}/smaps_rollup").read_text())


def pss_of(rollup: str) -> int:
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process (proc(5) stat, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
