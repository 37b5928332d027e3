"""Disturbs a gateway in every way that it is made for: `python -m tests.e2e.chaos [--quick] [--seed N]`.

Tells each disturbance and the verdict on standard error, and prints the figures as JSON; those of the long form are
kept for the documentation when the verdict is good. The verdict is the exit code; the figures are never judged.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.chaos import memory, report, standby
from tests.e2e.chaos.run import LONG, QUICK, run

FIGURES = Path(__file__).parents[3] / "docs" / "reference" / "lifecycle.json"
PAGE = FIGURES.with_suffix(".md")
STARTS, QUICK_STARTS = 7, 3
MOST_SHOWN = 30


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.chaos", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few of each, in a minute")
    parser.add_argument("--seed", type=int, help="of an earlier run, for the same disturbances in the same order")
    parser.add_argument("--render", action="store_true", help="run nothing; write the page that tells the kept figures")
    arguments = parser.parse_args()
    if arguments.render:
        PAGE.write_text(report.render(json.loads(FIGURES.read_text("utf-8"))), "utf-8")
        return 0
    seed = random.SystemRandom().randrange(2**32) if arguments.seed is None else arguments.seed
    sys.stderr.write(f"seed {seed}\n")
    counts, starts = (QUICK, QUICK_STARTS) if arguments.quick else (LONG, STARTS)
    done = run(seed, counts, starts, sys.stderr)
    kept = memory.measure(memory.QUICK if arguments.quick else memory.LONG)
    spared = standby.measure(standby.QUICK if arguments.quick else standby.LONG)
    complaints = [*done.complaints, *memory.complaints(kept), *standby.complaints(spared)]
    sys.stderr.write(verdict(done.seed, complaints))
    figures = json.dumps(report.figures(done, kept, spared), indent=2) + "\n"
    sys.stdout.write(figures)
    if not arguments.quick and not complaints:
        FIGURES.write_text(figures, "utf-8")
    return 1 if complaints else 0


def verdict(seed: int, complaints: Sequence[str]) -> str:
    """What was wrong, for a person."""
    if not complaints:
        return f"seed {seed}: nobody was refused, nothing was lost, nothing is left behind\n"
    left_out = len(complaints) - MOST_SHOWN
    lines = [f"seed {seed}: {len(complaints)} complaints", *complaints[:MOST_SHOWN]]
    return "\n".join([*lines, *([f"… and {left_out} more"] if left_out > 0 else []), ""])


if __name__ == "__main__":
    sys.exit(main())
