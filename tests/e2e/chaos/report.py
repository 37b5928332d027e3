"""The figures of a run, and the page that tells them: `docs/reference/lifecycle.md` from `lifecycle.json`."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from tests.e2e.chaos.ledger import Kind, Lane, Outcome
from tests.e2e.chaos.memory import PROMISED_RATIO, Memory
from tests.e2e.chaos.run import Run
from tests.e2e.chaos.standby import NAME, PROMISED_RATIO as PROMISED_WITH_STANDBY, Standby

PROMISED = {Kind.IN_PROCESS: 0.1, Kind.RESPAWN: 0.5, Kind.CRASH: 1.2}
"""The longest wait of any client, as a ratio to a start of the same gateway: medians."""
PAGE = Path(__file__).with_name("lifecycle.md.in")

JsonObject = dict[str, Any]


def figures(done: Run, memory: Memory, standby: Standby) -> JsonObject:
    """What a run measured. Nothing of it is judged here; what is promised is written beside the figure."""
    ledger, start = done.ledger, statistics.median(done.starts)
    waits = ledger.longest_waits()
    return {
        "seed": done.seed,
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "seconds": round(done.seconds),
        "start_ms": _milliseconds(done.starts),
        "longest_wait": {
            **{kind.value: _waits(waits[kind], start, promised) for kind, promised in PROMISED.items() if waits[kind]},
            NAME: _waits(standby.waits, start, PROMISED_WITH_STANDBY),
        },
        "disturbances": {kind.value: len(found) for kind, found in waits.items()},
        "requests": {
            **{outcome.value: ledger.count(outcome) for outcome in Outcome},
            "not excused": len(done.failed),
        },
        "streams": {
            "ended": len(ledger.streams),
            "said_shutdown": sum(stream.said_shutdown for stream in ledger.streams),
        },
        "messages": {
            "acknowledged": sum(len(lane.acknowledged) for lane in done.lanes),
            "lost": sum(len(_lost(lane)) for lane in done.lanes),
            "delivered_again": sum(_repeated(lane) for lane in done.lanes),
        },
        "locks": {"samples": done.lock_samples, "shared": len(done.shared)},
        "left_behind": len(done.left_behind),
        "memory": {
            "restarts": [memory.span.first, memory.span.last],
            "pss_mb": [round(memory.first_kb / 1024, 1), round(memory.last_kb / 1024, 1)],
            "ratio": round(memory.ratio, 3),
            "promised_ratio": PROMISED_RATIO,
        },
    }


def render(figures: JsonObject) -> str:
    """The page, for a person."""
    disturbed = figures["disturbances"]
    return Template(PAGE.read_text("utf-8")).substitute(
        waits="\n".join(
            f"| {kind} | {one['times']} | **{one['ratio_to_start']}** | {one['worst_ratio']} "
            f"| {one['promised_ratio']} |"
            for kind, one in figures["longest_wait"].items()
        ),
        disturbances="\n".join(f"| {kind} | {count} |" for kind, count in disturbed.items()),
        answered=f"{figures['requests']['answered']:,}",
        failed=figures["requests"]["not excused"],
        refused=f"{figures['requests']['refused']:,}",
        closed=f"{figures['requests']['closed']:,}",
        away=f"{figures['requests']['sent away']:,}",
        streams=f"{figures['streams']['ended']:,}",
        acknowledged=f"{figures['messages']['acknowledged']:,}",
        lost=figures["messages"]["lost"],
        again=figures["messages"]["delivered_again"],
        samples=f"{figures['locks']['samples']:,}",
        shared=figures["locks"]["shared"],
        left_behind=figures["left_behind"],
        seconds=figures["seconds"],
        cpus=figures["cpus"],
        python=figures["python"],
        start=round(figures["start_ms"]["median"]),
        first=figures["memory"]["restarts"][0],
        last=figures["memory"]["restarts"][1],
        memory=figures["memory"]["ratio"],
        seed=figures["seed"],
    )


def _waits(seconds: Sequence[float], start: float, promised: float) -> JsonObject:
    return {
        "times": len(seconds),
        "ratio_to_start": round(statistics.median(seconds) / start, 3),
        "promised_ratio": promised,
        "worst_ratio": round(max(seconds) / start, 3),
        "ms": _milliseconds(seconds),
    }


def _milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(value * 1000 for value in seconds)
    return {"min": round(ordered[0], 1), "median": round(statistics.median(ordered), 1), "max": round(ordered[-1], 1)}


def _lost(lane: Lane) -> set[str]:
    return set(lane.acknowledged) - {delivery.text for delivery in lane.delivered}


def _repeated(lane: Lane) -> int:
    return len(lane.delivered) - len({delivery.text for delivery in lane.delivered})
