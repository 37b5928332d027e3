"""Tells a service manager of type systemd how the gateway is, and gives it descriptors to keep (sd_notify(3)).

Nothing here raises: a manager that is not there, or gone, changes nothing for those who talk to the gateway.
"""

from __future__ import annotations

import array
import os
import socket
from collections.abc import Mapping, Sequence

VARIABLE = "NOTIFY_SOCKET"
PATIENCE_SECONDS = 0.2
"""How long a manager that does not read is waited for."""


def notify(*assignments: str, descriptors: Sequence[int] = ()) -> bool:
    """Send `READY=1`, `STATUS=…` and the like; False where no manager listens, which is no error."""
    address = os.environ.get(VARIABLE)
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.settimeout(PATIENCE_SECONDS)
            manager.connect(address)
            manager.sendmsg(["\n".join(assignments).encode()], passed)
    except OSError:
        return False
    return True


def watchdog_interval(environ: Mapping[str, str], pid: int) -> float | None:
    """Seconds between two `WATCHDOG=1`, half of what the manager allows; None where it does not watch `pid`."""
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    try:
        allowed = int(environ.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return allowed / 2 / 1_000_000 if allowed > 0 else None
