"""Measures the gateway and prints JSON: `python -m tests.benchmarks.run [--quick] [FIGURE …]`.

Every speed is a ratio to a baseline measured in the same run, in rounds that take turns, because machines differ and
share their cores. A figure is the median of its rounds, with the least and the most of them and, where one is set, the
goal. Nothing here is asserted; the exit code is 1 when something could not be measured.
docs/explanation/performance.md says how to read it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import sys
import time
import traceback
from typing import Any, Protocol

from tests.benchmarks.enqueues import enqueues
from tests.benchmarks.events import event_streams
from tests.benchmarks.messages import messages
from tests.benchmarks.queued_start import queued_start
from tests.benchmarks.restarts import crash, in_process_restart
from tests.benchmarks.scale import scale
from tests.benchmarks.start import idle_memory, start_up
from tests.benchmarks.throughput import door, throughput
from tests.benchmarks.turns import turns


class Figure(Protocol):
    """Measures, and gives what is printed."""

    def __call__(self, *, quick: bool) -> dict[str, Any]: ...


FIGURES: dict[str, Figure] = {
    "start": start_up,
    "memory": idle_memory,
    "throughput": throughput,
    "door": door,
    "in_process_restart": in_process_restart,
    "crash": crash,
    "turns": turns,
    "enqueues": enqueues,
    "messages": messages,
    "event_streams": event_streams,
    "scale": scale,
    "queued_start": queued_start,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, and smaller databases")
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"some of: {', '.join(FIGURES)}")
    arguments = parser.parse_args()
    if unknown := set(arguments.figures) - FIGURES.keys():
        parser.error(f"there is no figure {', '.join(sorted(unknown))}: choose from {', '.join(FIGURES)}")
    results: dict[str, Any] = {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "cpus": os.cpu_count(),
        "quick": arguments.quick,
    }
    failed = False
    for name, figure in FIGURES.items():
        if not arguments.figures or name in arguments.figures:
            sys.stderr.write(f"measuring {name}\n")
            began = time.perf_counter()
            try:
                measured = figure(quick=arguments.quick)
            except Exception as error:  # the others are worth having
                failed = True
                traceback.print_exc()
                measured = {"failed": f"{type(error).__name__}: {error}"}
            results[name] = {**measured, "took_seconds": round(time.perf_counter() - began, 1)}
    json.dump(results, sys.stdout, indent=2)
    sys.stdout.write("\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
