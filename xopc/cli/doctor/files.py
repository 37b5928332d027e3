"""Are the files that hold secrets and conversations the gateway's own?"""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from xopc.cli.doctor.check import Check, Fault, Result, Sight
from xopc.cli.gateway.target import DOT_ENV
from xopc.config.audit import Severity
from xopc.config.paths import Paths
from xopc.service.audit.rules import is_secret_name

OTHERS_OR_GROUP_WRITES = 0o027


def look_at_modes(sight: Sight) -> Result:
    """May anybody else read or change them?"""
    files = (*private_files(sight.target.paths), *_environment_files(sight))
    faults = (_of_mode(path, mode) for path in files if (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077)
    return Result.of(faults, "Nobody else may read or change what holds secrets")


def look_at_owners(sight: Sight) -> Result:
    """Do they belong to whoever asks?"""
    faults = foreign_files(private_files(sight.target.paths), os.geteuid())
    return Result.of(faults, "What holds secrets belongs to this user")


def private_files(paths: Paths) -> Iterator[Path]:
    """Those that there are: the state directory, and what holds secrets."""
    credentials = paths.local_key.parent
    backups = sorted(paths.config_path.parent.glob(f"{paths.config_path.name}.bak*"))
    files = (paths.state_dir, paths.config_path, *backups, paths.accepted, paths.models, credentials)
    yield from (path for path in files if path.exists())
    if credentials.is_dir():
        yield from sorted(path for path in credentials.rglob("*") if path.exists())
    yield from sorted(path for path in (paths.state_dir / "backups").glob("*") if path.exists())


def _environment_files(sight: Sight) -> Iterator[Path]:
    """Files of variables: `.env` where the command runs, and the service's secrets, which have a check of their own."""
    if DOT_ENV.is_file() and _holds_secret(DOT_ENV):
        yield DOT_ENV.absolute()
    service = sight.target.paths.state_dir / "service"
    if service.is_dir():
        yield service


def _holds_secret(path: Path) -> bool:
    from dotenv import dotenv_values

    return any(value and is_secret_name(name) for name, value in dotenv_values(path, interpolate=False).items())


def foreign_files(files: Iterable[Path], user_id: int) -> tuple[Fault, ...]:
    """A fault for each file that belongs to somebody else."""
    return tuple(_of_owner(path, owner, user_id) for path in files if (owner := path.stat().st_uid) != user_id)


def _of_mode(path: Path, mode: int) -> Fault:
    is_directory = path.is_dir()
    others = mode & OTHERS_OR_GROUP_WRITES
    who = "Other users" if mode & 0o007 else "The group of its owner"
    verb = "change" if mode & (0o002 if mode & 0o007 else 0o020) else "read"
    return Fault(
        "files.permissions",
        Severity.CRITICAL if others else Severity.WARN,
        f"{who} may {verb} {'this directory' if is_directory else 'this file'}",
        str(path),
        f"Its mode is {mode:04o}. It holds secrets or conversations.",
        f"chmod {'700' if is_directory else '600'} {shlex.quote(str(path))}",
    )


def _of_owner(path: Path, owner: int, user_id: int) -> Fault:
    return Fault(
        "files.owner",
        Severity.WARN,
        f"This belongs to {_name(owner)}, and not to {_name(user_id)}",
        str(path),
        "A gateway of this user may not be able to read or change it.",
        f"Run the gateway and the doctor as one user; or: sudo chown {_name(user_id)} {shlex.quote(str(path))}",
    )


def _name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)


CHECKS = (Check("files.permissions", "files", look_at_modes), Check("files.owner", "files", look_at_owners))
