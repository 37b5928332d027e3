"""The measure of event streams: many subscribers of `GET /api/events`, and so many events a second for each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from tests.e2e.harness import TOKEN, Gateway, write_config

RATE = 100
"""Events per second."""
CLIENT_PROCESSES = 2
SCRIPT = Path(__file__).parents[1] / "fakes" / "gateway_with_events.py"


def event_streams(*, quick: bool) -> dict[str, Any]:
    """What subscribers get of `RATE` events a second, and what that costs the gateway, against one subscriber.

    An event that a subscriber did not get, or got as part of another one, is lost. Those that are published are no
    more than that (`gateway_with_events.py`): real ones come from the disk or from a model, which would be measured.
    """
    subscribers, seconds = (200, 1.5) if quick else (1000, 5.0)
    return {
        "subscribers": subscribers,
        "events_per_second": RATE,
        **{kind: _against_one(kind, subscribers, seconds) for kind in ("session.updated", "agent.stream")},
        "goal": {"lost": 0, "closed": 0},
    }


def _against_one(kind: str, subscribers: int, seconds: float) -> dict[str, Any]:
    alone, together = measure(kind, 1, seconds), measure(kind, subscribers, seconds)
    return {
        **together,
        "with_one": {figure: alone[figure] for figure in ("p50_ms", "p99_ms", "cpu_percent")},
        "cpu_ratio_to_one": round(together["cpu_percent"] / max(alone["cpu_percent"], 0.1), 1),
    }


def measure(kind: str, subscribers: int, seconds: float) -> dict[str, Any]:
    """What so many subscribers of a gateway of their own get of events of one type."""
    count = int(RATE * seconds)
    with _gateway(subscribers) as gateway, ExitStack() as stack:
        pid, port = gateway.child_pid, gateway.port
        before = _pss_kb(pid)
        shares = [len(range(first, subscribers, CLIENT_PROCESSES)) for first in range(CLIENT_PROCESSES)]
        clients = [stack.enter_context(_listeners(port, share, count)) for share in shares if share]
        for client in clients:
            assert client.readline() == "open\n"
        memory = (_pss_kb(pid) - before) / subscribers
        spent = _cpu_seconds(pid)
        gateway.request("GET", f"/publish/{kind}/{RATE}/{count}")
        found = [json.loads(client.readline()) for client in clients]
        spent = _cpu_seconds(pid) - spent
    delays = sorted(delay for one in found for delay in one["delays_ms"])
    return {
        "lost": sum(one["lost"] for one in found),
        "closed": sum(one["closed"] for one in found),
        "p50_ms": round(delays[len(delays) // 2], 1),
        "p99_ms": round(delays[len(delays) * 99 // 100], 1),
        "cpu_percent": round(spent / seconds * 100, 1),
        "kb_per_subscriber": round(memory, 1),
    }


@contextmanager
def _gateway(subscribers: int) -> Generator[Gateway]:
    with tempfile.TemporaryDirectory() as directory:
        write_config(Path(directory), {"gateway": {"auth": {"token": TOKEN}, "maxSseConnections": subscribers}})
        started = Gateway(Path(directory), child=SCRIPT)
        try:
            yield started.wait_until_ready()
        finally:
            started.kill()


@contextmanager
def _listeners(port: int, subscribers: int, events: int) -> Generator[IO[str]]:
    arguments = [str(port), TOKEN, str(subscribers), str(events)]
    command = [sys.executable, "-m", "tests.benchmarks.listeners", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.kill()


def _pss_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process (proc(5) stat, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
