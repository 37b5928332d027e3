"""Finds all that would start a gateway by itself: units, jobs of launchd, cron, autostart, and loops that run.

The files are read directly: it works without any manager, and for managers that this login cannot ask.
"""

from __future__ import annotations

import os
import plistlib
import pwd
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast
from xml.parsers.expat import ExpatError

from attrs import field, frozen
from dotenv import dotenv_values

from xopc.service.audit.rules import option_of
from xopc.service.managers.base import ServiceManagerError
from xopc.service.managers.escape import assignments, command_words, specified
from xopc.service.managers.tools import run_tool
from xopc.service.managers.unit_file import read_unit
from xopc.service.starters.starter import Starter
from xopc.service.starters.starts import Start, find_start, find_start_in

TOOL_SECONDS = 3.0
MAX_BYTES = 256 * 1024
_NAME = b"xopc"
_CRON_FIELDS = 5


@frozen
class Places:
    """Where starters stand."""

    user_units: tuple[Path, ...]
    system_units: tuple[Path, ...]
    agents: tuple[Path, ...]
    daemons: tuple[Path, ...]
    autostart: tuple[Path, ...]
    crontabs: tuple[Path, ...]
    """Those of the system: a user stands in the sixth column."""
    environ: Mapping[str, str] = field(repr=False)


def usual_places(environ: Mapping[str, str]) -> Places:
    """Those of this machine and this user."""
    home = Path(environ.get("HOME") or Path.home())
    named = environ.get("XDG_CONFIG_HOME", "")
    config = Path(named) if named.startswith("/") else home / ".config"
    return Places(
        user_units=(
            config / "systemd" / "user",
            home / ".local" / "share" / "systemd" / "user",
            Path("/etc/systemd/user"),
            Path("/usr/lib/systemd/user"),
        ),
        system_units=(
            Path("/etc/systemd/system"),
            Path("/usr/local/lib/systemd/system"),
            Path("/usr/lib/systemd/system"),
        ),
        agents=(home / "Library" / "LaunchAgents", Path("/Library/LaunchAgents")),
        daemons=(Path("/Library/LaunchDaemons"),),
        autostart=(config / "autostart", Path("/etc/xdg/autostart")),
        crontabs=(Path("/etc/crontab"), *_files(Path("/etc/cron.d"), "*")),
        environ=environ,
    )


def find_starters(places: Places) -> tuple[Starter, ...]:
    """All that is there, whichever configuration it starts. What cannot be read is left out."""
    return (
        *_units(places.user_units, places, is_system=False),
        *_units(places.system_units, places, is_system=True),
        *_jobs(places.agents, places, is_system=False),
        *_jobs(places.daemons, places, is_system=True),
        *_autostarts(places),
        *_cron(places),
    )


# ------------------------------------------------------------------ systemd


def _units(directories: Iterable[Path], places: Places, *, is_system: bool) -> Iterator[Starter]:
    seen: set[str] = set()
    for path in _all(directories, "*.service"):
        unit = read_unit(path) if path.name not in seen and _mentions(path) else None
        seen.add(path.name)  # one in a directory before hides it
        if unit is None or not _is_enabled(path.name, directories):
            continue
        home = _home_of(unit.last("User") or "root", places) if is_system else _home(places)
        environment = {"HOME": home, **_unit_environment(unit.values, home)}
        start = find_start(command_words(unit.last("ExecStart"), home))
        if start is not None:
            scope, sudo = ("", "sudo ") if is_system else (" --user", "")
            kind = "system unit" if is_system else "user unit"
            cure = f"{sudo}systemctl{scope} disable --now {shlex.quote(path.name)}"
            yield Starter(kind, path.name, str(path), _config_of(start, environment), cure, _port_of(start))


def _unit_environment(values: Mapping[str, tuple[str, ...]], home: str) -> dict[str, str]:
    environment: dict[str, str] = {}
    for value in values.get("Environment", ()):
        environment |= assignments(value, home)
    for value in values.get("EnvironmentFile", ()):
        path = Path(specified(value, home))
        with suppress(OSError, UnicodeDecodeError):
            found = dotenv_values(path, interpolate=False) if path.is_file() else {}
            environment |= {name: text for name, text in found.items() if text is not None}
    return environment


def _is_enabled(name: str, directories: Iterable[Path]) -> bool:
    """Whether a target wants it: `systemctl enable` makes a link for that."""
    return any(
        os.path.lexists(wants / name)
        for directory in directories
        for pattern in ("*.wants", "*.requires")
        for wants in directory.glob(pattern)
    )


# ------------------------------------------------------------------ launchd


def _jobs(directories: Iterable[Path], places: Places, *, is_system: bool) -> Iterator[Starter]:
    for path in _all(directories, "*.plist"):
        job = _job(path) if _mentions(path) else {}
        words, variables = job.get("ProgramArguments") or [job.get("Program", "")], job.get("EnvironmentVariables", {})
        starts_itself = job.get("RunAtLoad") or job.get("KeepAlive")
        if not starts_itself or not isinstance(words, list) or not isinstance(variables, dict):
            continue
        start = find_start([str(word) for word in cast("list[object]", words)])
        if start is None:
            continue
        label = str(job.get("Label", path.stem))
        own = {str(name): str(value) for name, value in cast("dict[object, object]", variables).items()}
        domain, sudo = ("system", "sudo ") if is_system else (f"gui/{os.getuid()}", "")
        target = shlex.quote(f"{domain}/{label}")
        cure = f"{sudo}launchctl bootout {target}; {sudo}launchctl disable {target}"
        kind = "LaunchDaemon" if is_system else "LaunchAgent"
        yield Starter(kind, label, str(path), _config_of(start, {"HOME": _home(places), **own}), cure, _port_of(start))


def _job(path: Path) -> dict[str, object]:
    """What a property list says; nothing where it is none that can be read."""
    try:
        job: object = plistlib.loads(path.read_bytes())
    except (OSError, ValueError, ExpatError, plistlib.InvalidFileException):
        return {}
    return cast("dict[str, object]", job) if isinstance(job, dict) else {}


# ---------------------------------------------------------- desktop and cron


def _autostarts(places: Places) -> Iterator[Starter]:
    for path in _all(places.autostart, "*.desktop"):
        lines = _text(path).splitlines() if _mentions(path) else []
        command = next((line.partition("=")[2] for line in lines if line.startswith("Exec=")), "")
        start = find_start_in(command)
        if start is not None and "Hidden=true" not in lines:
            cure = f"rm {shlex.quote(str(path))}"
            config = _config_of(start, {"HOME": _home(places)})
            yield Starter("autostart entry", path.stem, str(path), config, cure, _port_of(start))


def _cron(places: Places) -> Iterator[Starter]:
    with suppress(ServiceManagerError):
        own = run_tool("crontab", "-l", environ=places.environ, seconds=TOOL_SECONDS)
        if own.code == 0:
            cure = "Remove that line: crontab -e"
            yield from _cron_lines(own.output, "crontab -l", cure, places, has_user=False)
    for path in places.crontabs:
        if _mentions(path):
            cure = f"Remove that line from {path}."
            yield from _cron_lines(_text(path), str(path), cure, places, has_user=True)


def _cron_lines(text: str, source: str, cure: str, places: Places, *, has_user: bool) -> Iterator[Starter]:
    environment: dict[str, str] = {}
    for raw in text.splitlines():
        line = raw.strip()
        name, sign, value = line.partition("=")
        if not line or line.startswith("#"):
            continue
        if sign and name.strip().replace("_", "").isalnum() and not line[0].isdigit():
            environment[name.strip()] = value.strip().strip("\"'")
            continue
        times = 1 if line.startswith("@") else _CRON_FIELDS
        parts = line.split(None, times + has_user)
        start = find_start_in(parts[-1]) if len(parts) == times + has_user + 1 else None
        if start is not None:
            home = _home_of(parts[times], places) if has_user else _home(places)
            config = _config_of(start, {"HOME": home, **environment})
            yield Starter("cron job", " ".join(parts[:times]), source, config, cure, _port_of(start))


# ------------------------------------------------------------------- shared


def _config_of(start: Start, environment: Mapping[str, str]) -> Path | None:
    paths = start.paths(environment)
    return paths.config_path if paths else None


def _port_of(start: Start) -> int | None:
    text = option_of(start.arguments, "--port") or ""
    return int(text) if text.isdecimal() else None


def _all(directories: Iterable[Path], pattern: str) -> Iterator[Path]:
    for directory in directories:
        yield from _files(directory, pattern)


def _files(directory: Path, pattern: str) -> list[Path]:
    try:
        return sorted(path for path in directory.glob(pattern) if path.is_file())
    except OSError:
        return []


def _mentions(path: Path) -> bool:
    """Whether a file is worth a closer look."""
    try:
        with path.open("rb") as file:
            return _NAME in file.read(MAX_BYTES)
    except OSError:
        return False


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _home(places: Places) -> str:
    return places.environ.get("HOME") or str(Path.home())


def _home_of(user: str, places: Places) -> str:
    """The home of a user, which for the caller's own is what its environment says."""
    with suppress(KeyError, ValueError):
        entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
        return _home(places) if entry.pw_uid == os.getuid() else entry.pw_dir
    return f"/home/{user}"
