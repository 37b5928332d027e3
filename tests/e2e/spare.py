"""The spare process beside a gateway with `gateway.standby`."""

from __future__ import annotations

import time

import psutil

from tests.e2e.harness import Gateway, until
from xopc_supervisor.contract import is_alive

LOOK_SECONDS = 0.3


def spares(gateway: Gateway) -> list[int]:
    """What the supervisor runs besides the process that serves."""
    children = [child.pid for child in psutil.Process(gateway.process.pid).children()]
    return [pid for pid in children if pid != gateway.child_pid and is_alive(pid, None)]


def waiting_spare(gateway: Gateway) -> int:
    """The spare, once it has imported all there is, and uses no processor time any more."""

    def find() -> int | None:
        for pid in spares(gateway):
            used = cpu_seconds(pid)
            time.sleep(LOOK_SECONDS)
            # One that only waits for its turn on a busy machine is not asleep.
            if used and cpu_seconds(pid) == used and psutil.Process(pid).status() == psutil.STATUS_SLEEPING:
                return pid
        return None

    pid = until(find, "a spare waits")
    assert pid is not None
    return pid


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    used = psutil.Process(pid).cpu_times()
    return used.user + used.system
