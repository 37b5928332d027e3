"""Reads what is installed and what would be, and has it audited."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import evolve, frozen

import xopc
from xopc.config.paths import Paths
from xopc.config.resolve import Flags, Resolved, resolve
from xopc.contracts.auth import AuthMode
from xopc.contracts.errors import ConfigError
from xopc.service.audit.finding import Finding
from xopc.service.audit.refusal import refusal_of
from xopc.service.audit.rules import PASSWORD_VARIABLE, TOKEN_VARIABLE, Expected, OnDisk, audit, paths_of
from xopc.service.managers.base import SECRETS_FILE_VARIABLE, Installed, ServiceManager

REINSTALL = "xopc gateway service install --force"
_TEMPORARY = ("/tmp", "/var/tmp", "/private/tmp", "/var/folders", "/private/var/folders", "/dev/shm")  # noqa: S108 - looked for, not used
_BUILD_PARTS = re.compile(r"pip-(?:build-env|ephem|install)-|\.tox$|\.nox$|archive-v\d+$|environments-v\d+$")
"""Of paths into environments that pip, tox, nox and `uvx` make and remove as they like."""
_FIRST_LINES_BYTES = 1024
_SCRIPT = re.compile(rb"#!\s*(\S+)")
_LONG_PATH = re.compile(rb"#!/bin/sh\n'''exec' \"?([^\"\n]+?)\"? \"\$0\"")
"""How installers begin a script whose interpreter's path is too long, or has spaces."""


@frozen
class Audit:
    """What came of looking at one installed service."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings

    def to_json(self) -> dict[str, object]:
        return {"ok": self.ok, "issues": [finding.to_json() for finding in self.findings]}


def audit_service(
    manager: ServiceManager,
    environ: Mapping[str, str],
    paths: Paths,
    *,
    installed: Installed | None = None,
    pid: int | None = None,
    search_path: Iterable[str] = (),
    reinstall: str = REINSTALL,
) -> Audit | None:
    """What does not fit about the manager's service, for a command with `environ`; None where none is installed.

    Asks no tool, where `installed` is given or the manager's definitions are files. `pid` is what it runs now.
    """
    installed = installed or manager.read()
    if installed is None:
        return None
    expected = expect(environ, paths, installed, search_path=search_path, reinstall=reinstall)
    found = look(installed)
    if expected.port is not None and _is_whole(installed, paths, found):
        expected = evolve(expected, refusal=refusal_of(installed, pid, section="gateway"))
    return Audit(audit(manager.marker, installed, expected, found))


def expect(
    environ: Mapping[str, str],
    paths: Paths,
    installed: Installed,
    *,
    search_path: Iterable[str] = (),
    reinstall: str = REINSTALL,
) -> Expected:
    """What a service of this configuration would be."""
    resolved = _resolve(environ, installed)
    auth = resolved.auth if resolved else None
    return Expected(
        xopc.__version__,
        paths,
        resolved.port if resolved else None,
        auth.secret if auth and auth.mode is AuthMode.TOKEN else None,
        auth.secret if auth and auth.mode is AuthMode.PASSWORD else None,
        reinstall,
        tuple(search_path),
    )


def look(installed: Installed) -> OnDisk:
    """What stands on the disk of that which a definition names."""
    program = find_program(installed)
    path = installed.environment.get(SECRETS_FILE_VARIABLE, "")
    return OnDisk(
        program is not None,
        _lost_interpreter(program) if program else None,
        program is not None and is_temporary(program),
        _mode(Path(path)) if path else None,
    )


def find_program(installed: Installed) -> Path | None:
    """The program's file; None where it is not there, or cannot be run."""
    if not installed.arguments:
        return None
    import shutil  # noqa: PLC0415 - most machines have no service, and `status` would pay for it

    found = shutil.which(installed.arguments[0], path=installed.environment.get("PATH", os.defpath))
    return Path(found) if found and Path(found).is_file() else None


def is_temporary(program: Path) -> bool:
    """Whether a program stands where somebody tidies up, or in an environment that was made for one build or run."""
    import tempfile  # noqa: PLC0415 - as above

    places = {Path(place) for place in (*_TEMPORARY, tempfile.gettempdir())}
    return any(program.is_relative_to(place) for place in places) or any(map(_BUILD_PARTS.search, program.parts))


def _is_whole(installed: Installed, paths: Paths, found: OnDisk) -> bool:
    """Whether a service is of this configuration, and has its secrets: what is otherwise is told by itself."""
    theirs = paths_of(installed.arguments, installed.environment)
    is_same = theirs is not None and os.path.realpath(theirs.config_path) == os.path.realpath(paths.config_path)
    return is_same and (SECRETS_FILE_VARIABLE not in installed.environment or found.secrets_mode is not None)


def _resolve(environ: Mapping[str, str], installed: Installed) -> Resolved | None:
    """The configuration without what outranks its secrets, and with the service's own variables for its references."""
    theirs = {**installed.secrets, **installed.environment}
    environ = {name: value for name, value in theirs.items() if not name.startswith("XOPC_")} | dict(environ)
    for name in (TOKEN_VARIABLE, PASSWORD_VARIABLE):
        environ.pop(name, None)
    try:
        return resolve(environ, Flags(), section="gateway")
    except (ConfigError, OSError):
        return None


def _lost_interpreter(program: Path) -> str | None:
    try:
        with program.open("rb") as file:
            head = file.read(_FIRST_LINES_BYTES)
    except OSError:
        return None
    match = _LONG_PATH.match(head) or _SCRIPT.match(head)
    if match is None:
        return None
    interpreter = os.fsdecode(match[1])
    return None if Path(interpreter).exists() else interpreter


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
