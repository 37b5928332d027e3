"""Reaching the running gateway over its restarts: what is safe to repeat is asked again until it is answered."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from xopc.cli.gateway.target import find_target
from xopc.client.http import Client
from xopc.contracts.errors import Failure, XopcError
from xopc.service.poll import attempts

GONE_SECONDS = 10.0
"""How long there may be no gateway at all, once there was one: somebody stops it and starts it anew."""


def reach(config: Path | None, seconds: float) -> Iterator[Client]:
    """A client of the running gateway for each attempt, at once and then after pauses, until `seconds` have passed.

    It is looked for anew each time: after a restart it may listen elsewhere. A client's time is what is left.

    Raises:
        XopcError: it does not run: at the first attempt, or for longer than a restart takes.
    """
    patient_until = 0.0
    for left in attempts(seconds, first=0.1, longest=1.0):
        if left == 0:
            return
        try:
            client = find_target(config).client(left)
        except XopcError:
            if time.monotonic() >= patient_until:
                raise
            continue
        patient_until = time.monotonic() + GONE_SECONDS
        yield client
        patient_until = time.monotonic() + GONE_SECONDS


def may_pass(error: XopcError) -> bool:
    """Whether it is worth to ask again: nobody answered, or the gateway cannot serve for a while."""
    return error.failure is Failure.UNAVAILABLE
