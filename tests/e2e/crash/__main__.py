"""Kills a gateway under load: `python -m tests.e2e.crash [--kills N] [--callers N] [--seed N]`.

Tells each kill and the verdict on standard error, and prints the figures as JSON. The verdict is the exit code; the
figures are never judged.
"""

from __future__ import annotations

import argparse
import json
import random
import sys

from tests.e2e.chaos.__main__ import verdict
from tests.e2e.crash.run import figures, plan, run

PAUSE_SECONDS = (2.0, 8.0)
"""Between two messages of one caller: what 64 of them say is less than what two cores can do between two kills, so that
nothing is merely late when it is judged."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--seed", type=int, help="of an earlier run, for the same kills in the same order")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if arguments.seed is None else arguments.seed
    sys.stderr.write(f"seed {seed}\n")
    done = run(seed, plan(seed, arguments.kills), arguments.callers, PAUSE_SECONDS, sys.stderr)
    sys.stderr.write(verdict(seed, done.complaints))
    sys.stdout.write(json.dumps(figures(done), indent=2) + "\n")
    return 1 if done.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
