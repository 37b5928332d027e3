"""Which service manager keeps a gateway running: it starts anew what somebody kills, so it is asked itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import psutil
from attrs import frozen

from xopc.service.identity import command_line
from xopc_supervisor.contract import MARKER_VARIABLE

MANAGERS = {"systemd", "launchd", "init"}
"""The names of their programs."""


@frozen
class Keeper:
    """A service manager, and what it calls the gateway."""

    name: str
    unit: str | None = None
    stop_command: str | None = None

    @property
    def cure(self) -> str:
        """How to have it stop the gateway, as the end of a sentence."""
        if self.stop_command is None:
            return f"stop it with {self.name}'s own tools"
        return f"stop {self.unit} with `{self.stop_command}`"


def is_manager(pid: int) -> bool:
    """Whether a process is a service manager, which must never be signalled: pid 1, `systemd --user`, launchd."""
    argv = command_line(pid) if pid > 1 else None
    return pid == 1 or (bool(argv) and Path(argv[0]).name in MANAGERS)


def keeper_of(pid: int) -> Keeper | None:
    """The service manager that starts the supervisor `pid` again when it ends; None where there is none."""
    try:
        environ = psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return None
    marker = environ.get(MARKER_VARIABLE, "")
    # systemd tells its main process, and what that starts, the main process's pid.
    if marker == "systemd" or (not marker and environ.get("SYSTEMD_EXEC_PID") == str(pid)):
        return _systemd_unit(pid)
    if marker == "launchd":
        return _launchd_job(environ)
    return Keeper(marker) if marker else None


def _systemd_unit(pid: int) -> Keeper:
    try:
        return parse_cgroup(Path(f"/proc/{pid}/cgroup").read_text("utf-8"))
    except (OSError, ValueError):
        return Keeper("systemd")


def parse_cgroup(text: str) -> Keeper:
    """The unit in the text of cgroups(7) `/proc/<pid>/cgroup`, as far as one is named there."""
    for group in text.splitlines():
        path = group.rpartition(":")[2]
        unit = path.rpartition("/")[2]
        if unit.endswith(".service") and not unit.startswith("user@"):
            command = "systemctl --user stop" if "/user@" in path else "sudo systemctl stop"
            return Keeper("systemd", unit, f"{command} {unit}")
    return Keeper("systemd")


def _launchd_job(environ: Mapping[str, str]) -> Keeper:
    label = environ.get("LAUNCH_JOB_LABEL") or environ.get("XPC_SERVICE_NAME")
    if label in (None, "0"):
        return Keeper("launchd")
    return Keeper("launchd", label, f"launchctl bootout gui/{os.getuid()}/{label}")
