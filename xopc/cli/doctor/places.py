"""Can the gateway write where it has to, and does nothing of an old run lie in its way?"""

from __future__ import annotations

import os
import shlex
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from xopc.cli.doctor.check import Check, Fault, Result, Sight
from xopc.config.audit import Severity
from xopc.config.paths import Paths
from xopc.config.regular import IrregularFileError, read_regular
from xopc_supervisor.contract import RestartIntent

WHAT_FOR = {"state": "its state", "logs": "its logs", "locks": "its lock", "database": "its database"}


def look_at_places(sight: Sight) -> Result:
    """Is each directory one, and may this user write to it?"""
    faults = [fault for what, path in _places(sight.target.paths) for fault in _of_place(path, WHAT_FOR[what])]
    return Result.of(faults, "The gateway may write where it has to")


def look_at_leftovers(sight: Sight) -> Result:
    """Is there something that the last run should have taken with it?"""
    faults = [*of_intent(sight.target.paths.intent_path), *_of_drafts(sight.target.paths)]
    return Result.of(faults, "Nothing is left from an earlier run")


def _places(paths: Paths) -> Iterator[tuple[str, Path]]:
    """What it writes to, each once."""
    seen: set[Path] = set()
    for what, path in (
        ("state", paths.state_dir),
        ("logs", paths.log_dir),
        ("locks", paths.lock_path.parent),
        ("database", paths.database.parent),
    ):
        if path not in seen:
            seen.add(path)
            yield what, path


def _of_place(path: Path, what_for: str) -> Iterator[Fault]:
    quoted = shlex.quote(str(path))
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        # A start makes it, where it may.
        above = next(one for one in path.parents if one.exists())
        if above.is_dir() and not os.access(above, os.W_OK | os.X_OK):
            why = f"It is not there, and {above} may not be written to."
            cure = f"sudo mkdir -p {quoted} && sudo chown {os.getuid()} {quoted}"
            yield Fault(
                "files.not-writable", Severity.CRITICAL, f"There is no place for {what_for}", str(path), why, cure
            )
        elif not above.is_dir():
            yield _no_directory(above, what_for)
        return
    except NotADirectoryError:
        above = next(one for one in path.parents if one.exists() and not one.is_dir())
        yield _no_directory(above, what_for)
        return
    if not stat.S_ISDIR(mode):
        yield _no_directory(path, what_for)
    elif not os.access(path, os.R_OK | os.W_OK | os.X_OK) or not mode & stat.S_IWUSR:
        title = f"The gateway may not write {what_for}"
        why = f"The mode is {stat.S_IMODE(mode):04o}."
        yield Fault("files.not-writable", Severity.CRITICAL, title, str(path), why, f"chmod u+rwx {quoted}")


def _no_directory(path: Path, what_for: str) -> Fault:
    cure = f"mv {shlex.quote(str(path))} {shlex.quote(f'{path}.before')}"
    title = f"A file stands where the directory for {what_for} has to be"
    return Fault("files.no-directory", Severity.CRITICAL, title, str(path), "The gateway cannot start like this.", cure)


def of_intent(path: Path) -> Iterator[Fault]:
    """A restart intent that nobody will take."""
    try:
        text = read_regular(path, RestartIntent.MAX_BYTES).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return
    except IrregularFileError:
        text = ""
    intent = RestartIntent.from_json(text)
    if intent is not None and intent.is_fresh(round(time.time() * 1000)):
        return  # somebody restarts it right now
    why = "A restart that was asked for was not taken. It is too old to be taken, and does no harm."
    cure = f"rm {shlex.quote(str(path))}"
    yield Fault("files.stale-intent", Severity.INFO, "A restart intent is left over", str(path), why, cure)


def _of_drafts(paths: Paths) -> Iterator[Fault]:
    """Files that a command left when it was killed while it wrote."""
    for path in sorted(paths.state_dir.glob(f".{paths.intent_path.name}.*")) if paths.state_dir.is_dir() else ():
        cure = f"rm {shlex.quote(str(path))}"
        title = "A draft of a restart intent is left over"
        yield Fault("files.stale-intent", Severity.INFO, title, str(path), "A command was killed as it wrote it.", cure)


CHECKS = (
    Check("files.places", "files", look_at_places),
    Check("files.leftovers", "files", look_at_leftovers),
)
