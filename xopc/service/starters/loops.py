"""Finds processes that start a gateway again and again, or wait to start one: shells in a loop, second supervisors."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import psutil

from xopc.config.paths import Paths
from xopc.service.identity import GATEWAY, launch_of, own_line, runs_gateway
from xopc.service.starters.starter import Starter
from xopc.service.starters.starts import find_start

_SHOWN = ("HOME", "XOPC_HOME", "XOPC_STATE_DIR", "XOPC_CONFIG_PATH", "XOPC_CONFIG", "XOPC_PROFILE")


def find_loops(paths: Paths, owner_pid: int | None) -> tuple[Starter, ...]:
    """Those of this configuration, besides the supervisor `owner_pid` and what that started."""
    ours = {*own_line(), *(_line_of(owner_pid) if owner_pid else ())}
    found: list[Starter] = []
    for process in psutil.process_iter():
        if process.pid in ours or process.pid == os.getpid():
            continue
        starter = _of_process(process, paths)
        if starter is not None:
            found.append(starter)
    return tuple(found)


def _of_process(process: psutil.Process, paths: Paths) -> Starter | None:
    try:
        argv, environ = process.cmdline(), process.environ()
    except (psutil.Error, OSError):
        return None  # ended, or of somebody else
    if GATEWAY in argv:
        return None  # a child, which its supervisor stands for
    start = find_start(argv)
    if start is None:
        return None
    is_loop = not runs_gateway(argv)
    launch = None if is_loop else launch_of(process.pid)
    if launch is not None and launch.lock_path != str(paths.lock_path):
        return None
    found = start.paths(_known(environ))
    kind = "shell" if is_loop else "process"
    starter = Starter(
        kind, f"pid {process.pid}", " ".join(argv)[:200], found.config_path if found else None, f"kill {process.pid}"
    )
    return starter if starter.is_of(paths) else None


def _known(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[name] for name in _SHOWN if name in environ}


def _line_of(pid: int) -> Iterator[int]:
    """A process and all that it started."""
    yield pid
    try:
        yield from (child.pid for child in psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return
