"""A listening socket that is given up, while another one may listen at the same place."""

from __future__ import annotations

import array
import contextlib
import socket
import struct
import sys

_SO_ATTACH_FILTER = 26
"""Of socket(7), Linux; Python's module lacks it."""
_DROP_KNOCKS = array.array(
    "B",
    b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (0x30, 0, 0, 13),  # load the flags of the TCP header,
            (0x45, 0, 1, 0x02),  # and if SYN is set
            (0x06, 0, 0, 0),  # drop the packet,
            (0x06, 0, 0, 0xFFFF),  # else take it
        )
    ),
)
"""A program for the kernel's packet filter."""


def deafen(listener: socket.socket) -> None:
    """Let nobody begin to connect at `listener`; those who wait there are still to be accepted.

    Without it, whoever connects between the last `accept` and the `close` would be reset. The kernel drops the packet
    that he knocks with instead, and when he knocks again, a second later, finds the socket that covers the address
    now, or is refused. On Linux alone; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    address, count = _DROP_KNOCKS.buffer_info()
    with contextlib.suppress(OSError):  # a system that forbids it is no worse than one that lacks it
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", count // 8, address))
