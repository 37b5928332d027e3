"""Which process is a gateway, and who may be signalled: nobody is signalled whose command line was not read."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath

import psutil

from xopc.contracts.errors import Failure, XopcError
from xopc_supervisor import contract
from xopc_supervisor.contract import INHERITANCE_VARIABLE, LAUNCH_VARIABLE, NO_RESPAWN_VARIABLE, Inheritance, Launch

SUPERVISOR = "xopc_supervisor"
GATEWAY = "xopc.gateway"
_COMMANDS = {"xopc", "xopc-gateway", SUPERVISOR}
_WINDOWS_SUFFIXES = {".exe", ".cmd", ".bat"}
_OPTIONS_WITH_VALUE = {"-W", "-X", "--check-hash-based-pycs"}


def runs_gateway(argv: Sequence[str]) -> bool:
    """Whether a process with this argument vector is a gateway, or the supervisor of one."""
    program, arguments = _program(argv)
    return program == GATEWAY or (program in _COMMANDS and "gateway" in arguments)


def signal_target(pid: int) -> int | None:
    """The process to signal for the gateway that `pid` belongs to: its supervisor; None when `pid` is no gateway.

    Supervisor and gateway hold the same listening socket, and are one gateway.
    """
    argv = command_line(pid)
    if argv is None or not runs_gateway(argv):
        return None
    if _program(argv)[0] != GATEWAY:
        return pid
    parent = _parent(pid)
    parent_argv = command_line(parent) if parent is not None else None
    if parent is not None and parent_argv is not None and runs_gateway(parent_argv):
        return parent
    return pid


def command_line(pid: int) -> tuple[str, ...] | None:
    """The argument vector of a process; None where there is no such process, or it cannot be read."""
    try:
        return tuple(psutil.Process(pid).cmdline())
    except (psutil.Error, OSError, ValueError):
        return None


def launch_of(pid: int) -> Launch | None:
    """What a supervisor was started with, as its environment says; None where it cannot be read."""
    try:
        return Launch.from_json(_environment(pid)[LAUNCH_VARIABLE])
    except (LookupError, ValueError, TypeError):
        return None


def is_orphan(pid: int, lock_path: str) -> bool:
    """Whether a process belongs to the gateway with this lock, and its supervisor is dead."""
    launch = launch_of(pid)
    if launch is None or launch.lock_path != lock_path:
        return False
    try:
        inheritance = Inheritance.from_json(_environment(pid)[INHERITANCE_VARIABLE])
    except (LookupError, ValueError, TypeError):
        return False
    return not contract.is_alive(inheritance.supervisor_pid, None)


def never_respawns(pid: int) -> bool:
    """Whether a supervisor was told to start no second process, as far as its environment can be read."""
    return contract.is_on(_environment(pid).get(NO_RESPAWN_VARIABLE))


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a gateway that has just been verified once more. One that is suspended is continued: before that
    it would not take the signal.

    Raises:
        XopcError: it is not a gateway (any more), this command runs inside of it, or this user may not signal it.
    """
    try:
        # Remembers when the process started, so that `send_signal` does not hit a later one with its pid.
        process = psutil.Process(pid)
        if pid < 1 or not runs_gateway(process.cmdline()):
            raise XopcError(Failure.CONFLICT, f"refusing to signal non-gateway process pid {pid}")
        if pid in own_line():
            raise XopcError(Failure.CONFLICT, f"refusing to signal pid {pid}: this command runs inside of that gateway")
        process.send_signal(number)
        if contract.is_suspended(pid):
            process.resume()
    except (psutil.NoSuchProcess, ProcessLookupError) as error:
        if contract.is_alive(pid, None):
            what = f"pid {pid} cannot be looked at, for there is no /proc: mount it, or signal it by hand"
            raise XopcError(Failure.UNAVAILABLE, f"{what} (kill -{number.name.removeprefix('SIG')} {pid})") from error
        raise XopcError(Failure.NOT_FOUND, f"process {pid} has ended") from error
    except (psutil.AccessDenied, PermissionError) as error:
        raise XopcError(Failure.FORBIDDEN, f"not permitted to signal pid {pid}: it belongs to another user") from error


def own_line() -> Iterator[int]:
    """This process and its ancestors."""
    pid: int | None = os.getpid()
    while pid is not None and pid > 0:
        yield pid
        pid = _parent(pid)


def _environment(pid: int) -> Mapping[str, str]:
    """What a process was started with; empty where that cannot be read."""
    try:
        return psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return {}


def _parent(pid: int) -> int | None:
    try:
        return psutil.Process(pid).ppid()
    except (psutil.Error, OSError):
        return None


def _program(argv: Sequence[str]) -> tuple[str, Sequence[str]]:
    """What an argument vector runs, a Python interpreter looked through: a module, or a command's base name.

    >>> _program(["/usr/bin/python3", "-P", "-m", "xopc.gateway"])
    ('xopc.gateway', [])
    """
    if not argv:
        return "", []
    if not _base_name(argv[0]).lower().startswith(("python", "pypy")):
        return _base_name(argv[0]), argv[1:]
    position = 1
    while position < len(argv):
        argument = argv[position]
        if argument == "-m":
            return (argv[position + 1], argv[position + 2 :]) if position + 1 < len(argv) else ("", [])
        if argument == "-c":
            return "", []
        if not argument.startswith("-"):
            return _base_name(argument), argv[position + 1 :]
        position += 2 if argument in _OPTIONS_WITH_VALUE else 1
    return "", []


def _base_name(path: str) -> str:
    name = PurePath(path.replace("\\", "/"))
    return name.stem if name.suffix.lower() in _WINDOWS_SUFFIXES else name.name
