"""Processes whose parents have gone: as subreaper, or as pid 1 of a container, the supervisor inherits them.

A tool of the agent that made itself a session of its own is not in its gateway's process group, so it outlives the
group's end. The loop's `waitpid(-1)` reaps such a process when it ends; what stands here keeps it from living on.
Linux only: elsewhere nobody is inherited, and there is nothing to do.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection

from xopc_supervisor.contract import is_alive

PR_SET_CHILD_SUBREAPER = 36
"""Of prctl(2), since Linux 3.4."""
PROC = "/proc"
TASKS = "/proc/self/task"
MAX_ROUNDS = 10
"""More are only needed for what forks faster than it can be killed."""


def become_subreaper() -> bool:
    """Inherit the orphans among the processes below this one; False where the system does not know such a thing.

    Holds through exec, and is not passed on to children.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        import ctypes  # noqa: PLC0415 - absent where Python was built without libffi

        libc = ctypes.CDLL(None)
        return libc.prctl(PR_SET_CHILD_SUBREAPER, *map(ctypes.c_ulong, (1, 0, 0, 0))) == 0
    except (ImportError, OSError, AttributeError):
        return False


def adopted(known: Collection[int]) -> list[int]:
    """The living children of this process that it did not start itself: all but `known`."""
    return [pid for pid in _children() if pid not in known and is_alive(pid, None)]


def kill_adopted(known: Collection[int]) -> list[int]:
    """Kill all children but `known`, and all that is below them; return whom.

    Does not wait for their end: they become zombies of this process, for whoever waits for its children. `known` has
    to name each child that is to live, and what is below those is left alone.
    """
    killed: list[int] = []
    refused: set[int] = set()
    for _ in range(MAX_ROUNDS):
        # Whatever was forked while the last round looked shows in the next: who is told to die forks no more.
        victims = [pid for pid in _families(adopted(known)) if pid not in refused and pid not in killed]
        if not victims:
            break
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
            except OSError:  # ended in the meantime, or runs as another user
                refused.add(pid)
    return killed


def _children() -> list[int]:
    """All children of this process, zombies too."""
    own = os.getpid()
    try:
        found: list[int] = []
        for task in os.listdir(TASKS):
            with open(f"{TASKS}/{task}/children", "rb") as children:
                found += map(int, children.read().split())
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN, or no /proc
        return [pid for pid, parent in _parents().items() if parent == own]
    return found


def _families(pids: list[int]) -> list[int]:
    """These and all that is below them, parents first."""
    if not pids:
        return []
    parents = _parents()
    family = list(pids)
    for member in family:
        family += [pid for pid, parent in parents.items() if parent == member and pid not in family]
    return family


def _parents() -> dict[int, int]:
    """The parent of each process that is not a zombie."""
    parents: dict[int, int] = {}
    try:
        names = os.listdir(PROC)
    except OSError:
        return {}
    for name in names:
        if not name.isdigit():
            continue
        try:
            with open(f"{PROC}/{name}/stat", "rb") as stat:
                # After the program's name, which stands in parentheses and may hold anything: state, parent, ...
                state, parent, *_ = stat.read().rpartition(b")")[2].split()
        except (OSError, ValueError):
            continue
        if state != b"Z":
            parents[int(name)] = int(parent)
    return parents
