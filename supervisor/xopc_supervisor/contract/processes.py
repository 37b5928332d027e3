"""Whether a process is still the one that somebody wrote down: a pid alone may be another one's by now."""

from __future__ import annotations

import os


def start_time(pid: int) -> int | None:
    """Clock ticks from the boot of the machine to the start of `pid` (field 22 of proc(5) stat).

    None where there is no such process, or no /proc.
    """
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def is_alive(pid: int, started: int | None) -> bool:
    """Whether process `pid` runs (a zombie does not) and, if `started` is known, is still the one that started then."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    fields = _stat(pid)
    if fields is None:
        return True
    return fields[0] != "Z" and started in (None, int(fields[19]))


def is_suspended(pid: int) -> bool:
    """Whether process `pid` is stopped until somebody continues it, as Ctrl-Z does; False where there is no /proc."""
    fields = _stat(pid)
    return fields is not None and fields[0] == "T"


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the third on: state, ppid, ..."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            text = stat.read()
    except OSError:
        return None
    # The second field is the program's name in parentheses and may hold anything, so count from its end.
    return text.rpartition(b")")[2].decode("ascii", "replace").split()
