"""How long a start takes, and what the gateway weighs when nobody asks it anything."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

from tests.benchmarks.machine import gateway, new_home, pss_mb, pss_of
from tests.benchmarks.measured import milliseconds, ratios, spread
from tests.e2e.harness import TOKEN, Gateway, write_config

IMPORT = "import quart_trio"


def start_up(*, quick: bool) -> dict[str, Any]:
    """From the command to the first 200 of /health, beside the start of an interpreter with trio and Quart."""
    ours: list[float] = []
    imports: list[float] = []
    for _ in range(3 if quick else 10):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", IMPORT], check=True)
        imports.append(time.perf_counter() - began)
        with new_home() as home:
            write_config(home, {"gateway": {"auth": {"token": TOKEN}}})
            began = time.perf_counter()
            started = Gateway(home, "--port", "0")
            try:
                assert started.health()["status"] == "healthy"
                ours.append(time.perf_counter() - began)
            finally:
                started.kill()
    return {
        "to_first_health_ms": milliseconds(ours),
        "import_quart_trio_ms": milliseconds(imports),
        "ratio": spread(ratios(ours, imports)),
    }


def idle_memory(*, quick: bool) -> dict[str, Any]:
    """Proportional set size of both processes, a second after the start, and of an interpreter that imports Quart."""
    supervisors: list[float] = []
    children: list[float] = []
    imported: list[float] = []
    for _ in range(1 if quick else 3):
        program = f"{IMPORT}; print(open('/proc/self/smaps_rollup').read())"
        baseline = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
        imported.append(pss_of(baseline.stdout))
        with gateway() as started:
            started.request("GET", "/api/status")
            time.sleep(1)
            supervisors.append(pss_mb(started.process.pid))
            children.append(pss_mb(started.child_pid))
    both = [one + other for one, other in zip(supervisors, children, strict=True)]
    return {
        "supervisor_pss_mb": spread(supervisors, digits=1),
        "gateway_pss_mb": spread(children, digits=1),
        "import_quart_trio_pss_mb": spread(imported, digits=1),
        "ratio": spread(ratios(both, imported)),
    }
