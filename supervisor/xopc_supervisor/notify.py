"""Tells a service manager of type systemd how the gateway is (sd_notify(3))."""

from __future__ import annotations

import os
import socket

VARIABLE = "NOTIFY_SOCKET"


def notify(*assignments: str) -> bool:
    """Send `READY=1`, `STATUS=…` and the like; False where no manager listens, which is no error."""
    address = os.environ.get(VARIABLE)
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.setblocking(False)
            manager.sendto("\n".join(assignments).encode(), address)
    except OSError:
        return False
    return True
