"""What `xopc gateway status --deep` looks at besides: it takes longer, and runs the service's program."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

import xopc
from xopc.cli.gateway.target import Target
from xopc.cli.output import size
from xopc.client.http import JsonObject
from xopc.config.paths import Paths
from xopc.gateway.room import Disk, disk_of
from xopc.service.audit.audited import find_program
from xopc.service.audit.finding import Finding
from xopc.service.audit.survey import Service
from xopc.service.managers.base import Installed, ServiceManagerError
from xopc.service.managers.tools import run_tool
from xopc.service.starters.find import find_starters, usual_places
from xopc.service.starters.loops import find_loops
from xopc.service.starters.starter import Starter, findings_of
from xopc.service.starters.starts import find_start

TOOL_SECONDS = 10.0
MAX_PROBLEMS = 10


@frozen
class Depths:
    """What was found."""

    paths: Paths
    starters: tuple[Starter, ...]
    problems: tuple[str, ...]
    """What systemd says about the unit's text."""
    program_version: str | None
    """Of the service's program on disk; None where there is none, or it does not tell."""
    disk: Disk | None
    findings: tuple[Finding, ...]

    def to_json(self) -> JsonObject:
        disk = self.disk
        return {
            "starters": [one.to_json(self.paths) for one in self.starters],
            "definitionProblems": list(self.problems),
            "programVersion": self.program_version,
            "disk": {"bytes": disk.bytes, "freeBytes": disk.free_bytes, "low": is_low(disk)} if disk else None,
        }


def look_deeper(target: Target, service: Service | None) -> Depths:
    """Look at all of it."""
    installed = service.installed if service else None
    starters = all_starters(target)
    problems: tuple[str, ...] = ()
    if service is not None and installed is not None and service.manager.marker == "systemd":
        problems = problems_of(installed, target.environ, is_system=service.is_system)
    version = version_of(installed) if installed else None
    disk = disk_below(target.paths.state_dir)
    reinstall = service.reinstall if service else ""
    findings = (
        *findings_of(starters, installed, target.paths, target.port),
        *_of_definition(problems, version, reinstall),
        *_of_disk(disk, target.paths.state_dir),
    )
    return Depths(target.paths, starters, problems, version, disk, findings)


def all_starters(target: Target) -> tuple[Starter, ...]:
    """What stands on this machine to start a gateway, and the processes that are about to start this one."""
    owner = target.owner.pid if target.owner else None
    return (*find_starters(usual_places(target.environ)), *find_loops(target.paths, owner))


def problems_of(installed: Installed, environ: Mapping[str, str], *, is_system: bool) -> tuple[str, ...]:
    """What systemd finds wrong with the unit's text; nothing where its tool is not there."""
    path, tool = installed.source_path, shutil.which("systemd-analyze", path=environ.get("PATH"))
    if tool is None:
        return ()
    scope = () if is_system else ("--user",)
    try:
        ran = run_tool(tool, "verify", *scope, str(path), environ=environ, seconds=TOOL_SECONDS)
    except ServiceManagerError as error:
        return (str(error),)
    # It may tell of the units of others, too.
    return tuple(line for line in ran.errors.splitlines() if path.name in line)[:MAX_PROBLEMS]


def version_of(installed: Installed) -> str | None:
    """What the service's program says that it is; None where it is not xopc's, or does not tell."""
    program, start = find_program(installed), find_start(installed.arguments)
    if program is None or start is None or "gateway" not in start.arguments:
        return None
    words = start.arguments[1 : start.arguments.index("gateway")]
    environ = {"PATH": os.defpath, **installed.environment}
    try:
        ran = run_tool(str(program), *words, "--version", environ=environ, seconds=TOOL_SECONDS)
    except ServiceManagerError:
        return None
    return ran.output if ran.code == 0 and len(ran.output.split()) == 1 else None


def disk_below(path: Path) -> Disk | None:
    """The disk that a directory is on, or will be; None where that cannot be told."""
    for place in (path, *path.parents):
        try:
            return disk_of(place)
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def is_low(disk: Disk) -> bool:
    """Whether it is nearly full; some file systems do not count."""
    return disk.bytes > 0 and disk.free_bytes < disk.low_bytes


def _of_definition(problems: tuple[str, ...], version: str | None, reinstall: str) -> Iterator[Finding]:
    if problems:
        what = "systemd finds something wrong with the unit's text."
        yield Finding("definition-invalid", what, f"Run: {reinstall}", "\n".join(problems))
    if version is not None and version != xopc.__version__:
        what = f"The service's program is version {version}, and this command is {xopc.__version__}."
        why = "They were installed in two places."
        yield Finding("program-version", what, f"Run the command that belongs to it; or run: {reinstall}", why)


def _of_disk(disk: Disk | None, state_dir: Path) -> Iterator[Finding]:
    if disk is not None and is_low(disk):
        what = f"The disk of {state_dir} is nearly full: {size(disk.free_bytes)} of {size(disk.bytes)} are free."
        cure = "Delete what you no longer need, or give the disk more room."
        yield Finding("disk-low", what, cure, "On a full disk, messages are refused.")
