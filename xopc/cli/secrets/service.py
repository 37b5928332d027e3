"""Secrets in the definition of the service: every user of the machine may read it."""

from __future__ import annotations

import plistlib
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from xml.parsers.expat import ExpatError

from xopc.cli.doctor.check import Fault
from xopc.config.audit import Severity
from xopc.core.redact import is_secret_name, redact
from xopc.service.managers.base import SECRETS_FILE_VARIABLE, label_of

MAX_BYTES = 256 * 1024
SYSTEM_UNITS = Path("/etc/systemd/system")

_ASSIGNED = re.compile(r"""["']?(?P<name>[A-Za-z_][A-Za-z0-9_]*)=(?P<value>[^\s"']*)""")


def definitions(environ: Mapping[str, str]) -> Iterator[Path]:
    """The files that define the service of this profile, those that add to them included."""
    profile = environ.get("XOPC_PROFILE", "").strip()
    home = Path(environ.get("HOME") or Path.home())
    configured = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    unit = f"{label_of('systemd', profile)}.service"
    for directory in (configured / "systemd" / "user", SYSTEM_UNITS):
        candidates = [directory / unit, *sorted((directory / f"{unit}.d").glob("*.conf"))]
        yield from (path for path in candidates if path.is_file())
    agent = home / "Library" / "LaunchAgents" / f"{label_of('launchd', profile)}.plist"
    if agent.is_file():
        yield agent


def faults_in(path: Path, known: Collection[str]) -> Iterator[Fault]:
    """A fault for each secret in a definition: one that is `known`, or that its name or its looks give away."""
    for where, text in _texts(path):
        assigned = [match["name"] for match in _ASSIGNED.finditer(text) if match["value"] and _is_telling(match)]
        if assigned or redact(text) != text or any(secret in text for secret in known):
            yield Fault(
                "secrets.service",
                Severity.CRITICAL,
                "The definition of the service holds a secret",
                f"{path}, {where}" + (f": {assigned[0]}" if assigned else ""),
                "Every user of this machine may read it.",
                "Keep it in a file, and have it written anew: xopc gateway service install --force",
            )


def service_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the installed service gets from its file of secrets; nothing where there is none that can be read."""
    from dotenv import dotenv_values

    for path in definitions(environ):
        with suppress(OSError, UnicodeDecodeError):
            named = re.search(rf"{SECRETS_FILE_VARIABLE}=([^\"'\n]+)", path.read_text("utf-8"))
            if named and Path(named[1].strip()).is_file():
                values = dotenv_values(named[1].strip(), interpolate=False)
                return {name: value for name, value in values.items() if value is not None}
    return {}


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    """The lines of a unit, and what a property list sets and runs, each with its place."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES)
    except OSError:
        return
    if path.suffix == ".plist":
        yield from _of_plist(content)
        return
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        if not line.lstrip().startswith(("#", ";")):
            yield f"line {number}", line


def _of_plist(content: bytes) -> Iterator[tuple[str, str]]:
    try:
        values: object = plistlib.loads(content)
    except (plistlib.InvalidFileException, ExpatError, ValueError):
        return
    if not isinstance(values, dict):
        return
    definition = cast("dict[str, Any]", values)
    for name, value in dict(definition.get("EnvironmentVariables", {})).items():
        yield "EnvironmentVariables", f"{name}={value}"
    for word in list(definition.get("ProgramArguments", ())):
        yield "ProgramArguments", str(word)


def _is_telling(match: re.Match[str]) -> bool:
    return is_secret_name(match["name"])
