"""The gateway's log: its lines in pages, its files and figures, and from which level on lines are written."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial

from xopc.config.paths import from_home
from xopc.contracts.api.logs import (
    LogDirectory,
    LogFiles,
    LogLevel,
    LogLevelChange,
    LogLevels,
    LogLevelState,
    LogModules,
    LogPage,
    LogQuery,
    LogStats,
)
from xopc.contracts.auth import Scope
from xopc.core.logs.level import LevelSwitch
from xopc.core.logs.query import search
from xopc.core.logs.scan import in_steps, in_thread
from xopc.core.logs.stats import count, list_files, modules_in
from xopc.server.api.times import iso_utc
from xopc.server.query import read_query
from xopc.server.routes import Call, Route


async def _page(call: Call[None]) -> LogPage:
    return await in_steps(search(call.services.logs.directory, read_query(call.query, LogQuery)))


async def _files(call: Call[None]) -> LogFiles:
    return await in_thread(partial(list_files, call.services.logs.directory))


async def _stats(call: Call[None]) -> LogStats:
    return await in_steps(count(call.services.logs.directory, datetime.now(UTC)))


async def _levels(_: Call[None]) -> LogLevels:
    return LogLevels(tuple(LogLevel))


async def _modules(call: Call[None]) -> LogModules:
    return await in_steps(modules_in(call.services.logs.directory, datetime.now(UTC)))


async def _directory(call: Call[None]) -> LogDirectory:
    return LogDirectory(from_home(call.services.logs.directory))


async def _level(call: Call[None]) -> LogLevelState:
    return _state(call.services.logs.level)


async def _set_level(call: Call[LogLevelChange]) -> LogLevelState:
    switch, change = call.services.logs.level, call.body
    switch.set(change.level.value, None if change.duration is None else change.duration * 60)
    return _state(switch)


def _state(switch: LevelSwitch) -> LogLevelState:
    level, seconds_left = switch.state()
    until = None if seconds_left is None else iso_utc(time.time() + seconds_left)
    return LogLevelState(LogLevel(level), LogLevel(switch.configured), until)


LOGS = Route(
    method="GET",
    path="/api/logs",
    summary="Lines of the log, the newest first unless `order` says otherwise.",
    scope=Scope.READ,
    handler=_page,
    query=LogQuery,
    response=LogPage,
)
LOG_FILES = Route(
    method="GET",
    path="/api/logs/files",
    summary="The files of the log, the newest first.",
    scope=Scope.READ,
    handler=_files,
    response=LogFiles,
)
LOG_STATS = Route(
    method="GET",
    path="/api/logs/stats",
    summary="How many lines of each level and module the newest part of the log has.",
    scope=Scope.READ,
    handler=_stats,
    response=LogStats,
)
LOG_LEVELS = Route(
    method="GET",
    path="/api/logs/levels",
    summary="The levels that a line may have.",
    scope=Scope.READ,
    handler=_levels,
    response=LogLevels,
)
LOG_MODULES = Route(
    method="GET",
    path="/api/logs/modules",
    summary="The modules that the newest lines of the log come from.",
    scope=Scope.READ,
    handler=_modules,
    response=LogModules,
)
LOG_DIRECTORY = Route(
    method="GET",
    path="/api/logs/dir",
    summary="Where the files of the log are.",
    scope=Scope.READ,
    handler=_directory,
    response=LogDirectory,
)
LOG_LEVEL = Route(
    method="GET",
    path="/api/logs/level",
    summary="From which level on lines are written.",
    scope=Scope.READ,
    handler=_level,
    response=LogLevelState,
)
LOG_LEVEL_CHANGE = Route(
    method="POST",
    path="/api/logs/level",
    summary="Write lines from another level on, for some minutes or until the process ends.",
    scope=Scope.ADMIN,
    handler=_set_level,
    request=LogLevelChange,
    response=LogLevelState,
)
