"""Ports that a test has to know before anybody listens there."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from pathlib import Path

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST_EPHEMERAL = 49152
"""Where the system does not tell (RFC 6335 section 6)."""


def free_port(dice: random.Random | None = None) -> int:
    """A free one that the kernel gives to nobody by itself.

    An ephemeral one would soon be somebody else's: other tests ask the kernel for ports the whole time. And a client
    that connects while nobody listens there could get it as its own and connect to itself (simultaneous open,
    RFC 9293 section 3.5).
    """
    dice = dice or random.SystemRandom()
    lowest = int(EPHEMERAL.read_text().split()[0]) if EPHEMERAL.exists() else LOWEST_EPHEMERAL
    while True:
        port = dice.randrange(lowest // 2, lowest)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
