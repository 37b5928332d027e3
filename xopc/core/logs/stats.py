"""What the newest lines of the log are: how many of each level and module, and how many errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from datetime import datetime, timedelta
from pathlib import Path

from xopc.contracts.api.logs import LogFileInfo, LogFiles, LogModules, LogStats
from xopc.core.logs.entry import Entry, moment_of, parse
from xopc.core.logs.files import DayFile, log_files
from xopc.core.logs.level import LEVELS
from xopc.core.logs.scan import Scan

MAX_MODULES = 100
"""Of those that are named; they are ours and libraries', so there are a few dozen."""
_ERRORS = ("error", "fatal")
_ERROR_AGE = timedelta(hours=24)


def list_files(directory: Path) -> LogFiles:
    """The files of the log, the newest first.

    Raises:
        OSError: the directory cannot be read.
    """
    sized = [(file, _size(file)) for file in reversed(log_files(directory))]
    return LogFiles(tuple(LogFileInfo(file.path.name, size, file.day.isoformat()) for file, size in sized if size >= 0))


def count(directory: Path, now: datetime) -> Generator[None, None, LogStats]:
    """What the newest lines are, in steps (`in_steps`). `now` is aware.

    Raises:
        OSError: the directory cannot be read.
    """
    files = log_files(directory)
    scan = Scan(files, backwards=True)
    levels: Counter[str] = Counter()
    modules: Counter[str] = Counter()
    errors, oldest = 0, None
    for step in scan.lines():
        if step is None:
            yield
        elif step[0].data.strip():
            entry = parse(step[0].data)
            oldest = entry["timestamp"] or oldest
            levels[entry["level"]] += 1
            modules[_module_of(entry)] += 1
            errors += entry["level"] in _ERRORS and _is_recent(entry, now)
    modules.pop("", None)
    return LogStats(
        files=len(files),
        bytes=sum(max(0, _size(file)) for file in files),
        lines=levels.total(),
        complete=not scan.has_more,
        since=oldest,
        by_level={level: levels[level] for level in LEVELS},
        by_module=dict(modules.most_common(MAX_MODULES)),
        errors24h=errors,
    )


def modules_in(directory: Path, now: datetime) -> Generator[None, None, LogModules]:
    """The modules of the newest lines, in steps (`in_steps`)."""
    stats = yield from count(directory, now)
    return LogModules(tuple(sorted(stats.by_module)), stats.complete)


def _module_of(entry: Entry) -> str:
    module = entry.get("module")
    return module if isinstance(module, str) else ""


def _is_recent(entry: Entry, now: datetime) -> bool:
    at = moment_of(entry)
    return at is not None and at > now - _ERROR_AGE


def _size(file: DayFile) -> int:
    """Bytes on the disk; -1 where it has just gone."""
    try:
        return file.path.stat().st_size
    except OSError:
        return -1
