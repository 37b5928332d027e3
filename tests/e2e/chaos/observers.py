"""Those who look at the processes from outside: locks, descriptors, memory, and what is left behind (proc(5))."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.e2e.harness import until

SAMPLE_SECONDS = 0.01
SETTLE_SECONDS = 20
"""For kept-alive connections to the outside world, and for threads that nobody needs any more, to end."""


class LockWatch(threading.Thread):
    """Looks at the kernel's table of locks, over and over, for a file that two have locked.

    An owner is an open file description: that of the supervisor's lock is shared with its children, and is one.
    Whoever holds a file that has been removed since, beside the owner of the one now at its path, is a second owner.
    """

    def __init__(self, *paths: Path) -> None:
        super().__init__(daemon=True)
        self.samples = 0
        self.seen: Counter[str] = Counter()
        """By file: in how many samples it was locked."""
        self.breaches: list[str] = []
        self._inodes: dict[Path, set[int]] = {path: set() for path in paths}
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(SAMPLE_SECONDS):
            self.sample()

    def sample(self) -> None:
        for path, inodes in self._inodes.items():
            try:
                inodes.add(path.stat().st_ino)
            except FileNotFoundError:
                continue
        # The table is read in pieces, between which it may move: an owner seen twice is one.
        owned = set(owners(Path("/proc/locks").read_text()))
        self.samples += 1
        for path, inodes in self._inodes.items():
            pids = [pid for pid, inode in owned if inode in inodes]
            self.seen[path.name] += bool(pids)
            if len(pids) > 1:
                self.breaches.append(f"{path.name} has {len(pids)} owners: {pids}")

    def finish(self) -> None:
        self._end.set()
        self.join(5)

    def complaints(self) -> Iterable[str]:
        yield from self.breaches
        yield from (f"{name} was never seen locked: its watch proves nothing" for name in self._unseen())

    def _unseen(self) -> Iterable[str]:
        return [path.name for path in self._inodes if not self.seen[path.name]]


def owners(table: str) -> Iterable[tuple[int, int]]:
    """Pid and inode of each `flock` in the text of /proc/locks; those that wait for one (`->`) are left out."""
    for line in table.splitlines():
        fields = line.split()
        if fields[1] == "FLOCK":
            yield int(fields[4]), int(fields[5].rpartition(":")[2])


def processes(mark: str) -> dict[int, str]:
    """The living processes of a run, with their command lines. `CHAOS_RUN` in their environment is its mark."""
    wanted = f"CHAOS_RUN={mark}".encode()
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue  # it has ended, or is another user's
    return found


def descriptors(pid: int) -> Counter[str]:
    """What a process has open: files by name, the rest by kind."""
    found: Counter[str] = Counter()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[os.readlink(link).partition(":")[0]] += 1
        except FileNotFoundError:
            continue
    return found


def leaked(pid: int, before: Counter[str], slack: int, seconds: float = SETTLE_SECONDS) -> Counter[str]:
    """What a process has open beyond what it had, once no more of it is going away; empty within `slack`."""

    def is_back() -> bool:
        return (descriptors(pid) - before).total() <= slack

    try:
        until(is_back, "descriptors are closed", seconds)
    except TimeoutError:
        return descriptors(pid) - before
    return Counter()


def pss_kb(pid: int) -> int:
    """Proportional set size."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def settled_pss_kb(pid: int) -> int:
    """The smallest of a second: what was just allocated for a request is not what stays."""
    readings: list[int] = []
    for _ in range(10):
        readings.append(pss_kb(pid))
        time.sleep(0.1)
    return min(readings)
