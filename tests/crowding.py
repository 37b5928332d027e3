"""How busy the machine is, for the few tests whose row of the contract names a time."""

from __future__ import annotations

import os


def crowding() -> float:
    """How many processes want each processor, by the last minute; 1 where each has one for itself."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
