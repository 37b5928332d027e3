"""How much memory this process uses, and how what a generation leaves behind is given back."""

from __future__ import annotations

import gc
import resource
import sys
from pathlib import Path

from xopc.contracts.api.status import MemoryUse

ROLLUP = Path("/proc/self/smaps_rollup")
"""Linux 4.14 and later: sums over all mappings (proc(5))."""


def memory_use() -> MemoryUse:
    """Resident and proportional set size, in bytes. Where the system tells only the peak, that is the resident size."""
    try:
        lines = ROLLUP.read_text().splitlines()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return MemoryUse(rss=peak if sys.platform == "darwin" else peak * 1024, pss=None)
    kilobytes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines[1:])}
    return MemoryUse(rss=kilobytes["Rss"] * 1024, pss=kilobytes["Pss"] * 1024)


def freeze_imports() -> None:
    """Take all that is loaded out of the garbage collector's sight, which leaves it a few milliseconds of work.

    Call it once, before the first generation.
    """
    gc.collect()
    gc.freeze()


def collect_generation() -> None:
    """Give back what an old generation left in cycles.

    Left to itself the collector comes so seldom that a hundred restarts would cost twenty megabytes.
    """
    gc.collect()
