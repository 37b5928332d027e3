"""The gateway process: takes over what its supervisor hands it, and runs the tree until an order ends it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import cast

import structlog
import trio
from attrs import evolve

import xopc
from xopc.agent.models_secrets import look_up
from xopc.config.local_key import keep_local_key
from xopc.config.paths import resolve_paths
from xopc.config.resolve import Flags, Resolved, resolve
from xopc.config.secrets.references import NO_SECRETS, Secrets
from xopc.config.setup import prepare
from xopc.contracts.errors import ConfigError, XopcError
from xopc.core.tasks import describe
from xopc.gateway.home import Home
from xopc.gateway.line import Line, keep_from_children
from xopc.gateway.log import log as logs
from xopc.gateway.memory import freeze_imports
from xopc.gateway.places import Places, find_places
from xopc.gateway.problems import LOG, Problems
from xopc.gateway.tree import run
from xopc.gateway.watch import dump_on_abort
from xopc.server.api import ROUTES
from xopc.server.routes import Route
from xopc.storage.base import StorageError
from xopc.storage.faults import Obstacle, StorageUnavailableError
from xopc.storage.migrate import LATEST_SCHEMA
from xopc.storage.rehearse import rehearse
from xopc_supervisor import contract
from xopc_supervisor.contract import Inheritance, Launch

log = structlog.get_logger("xopc.gateway")


def main(routes: tuple[Route, ...] = ROUTES) -> int:
    """Run one gateway process to its end, and return its exit code."""
    inherited = os.environ.pop(contract.INHERITANCE_VARIABLE, None)
    launched = os.environ.get(contract.LAUNCH_VARIABLE)
    if inherited is None or launched is None:
        sys.stderr.write("This process is started by its supervisor. Start the gateway with: xopc gateway\n")
        return contract.EXIT_USAGE
    inheritance, launch = Inheritance.from_json(inherited), Launch.from_json(launched)
    keep_from_children(*inheritance.fds)
    environ = {name: value for name, value in os.environ.items() if name != contract.LAUNCH_VARIABLE}
    line, problems = Line(inheritance.line_fd), Problems()
    dump_on_abort()
    with logs.configure(resolve_paths(environ).log_dir, environ, problems.reporter(LOG)) as writer:
        try:
            home = _stand_by(inheritance, launch, line, environ)
            if home is None:
                return contract.EXIT_OK
            return trio.run(
                run, evolve(home, routes=routes, problems=problems, log_level=writer.level, known=writer.known)
            )
        except Exception as error:
            message, code = explain(error)
            log.fatal(message, exc_info=not isinstance(error, XopcError) and code == contract.EXIT_FAILURE)
            line.say(contract.FAILED, message)
            return code


def _stand_by(inheritance: Inheritance, launch: Launch, line: Line, environ: Mapping[str, str]) -> Home | None:
    """Make sure of what can be made sure of before anything is served, and wait for the word; None if none comes."""
    flags = Flags(**launch.flags)
    settled = None
    if inheritance.is_spare:
        _warm_up(environ, flags)
    else:
        settled = _settle(inheritance, launch, line, environ, flags)
        if inheritance.heirloom_fd is not None:
            rehearse(settled[0].paths.database)
    freeze_imports()
    line.say(contract.STANDBY, xopc.__version__, LATEST_SCHEMA)
    go = line.wait_for_go()
    if go is None:
        return None
    resolved, keys, places = settled or _settle(inheritance, launch, line, environ, flags)
    local_key = keep_local_key(resolved.paths.local_key)
    return Home(resolved, flags, environ, inheritance, go, places, line, local_key, keys)


def _settle(
    inheritance: Inheritance, launch: Launch, line: Line, environ: Mapping[str, str], flags: Flags
) -> tuple[Resolved, Secrets, Places]:
    """The configuration in force, the keys that its models refer to, and the sockets that it names."""
    resolved = prepare(environ, flags, use_accepted=inheritance.use_accepted)
    keys = look_up(resolved.paths.models, resolved.settings.secrets, environ) or NO_SECRETS
    inherited = [socket.socket(fileno=fd) for fd in inheritance.listen_fds]
    alone = inheritance.heirloom_fd is None
    return resolved, keys, find_places(line, launch.listen, inherited, resolved, alone=alone)


def _warm_up(environ: Mapping[str, str], flags: Flags) -> None:
    """Read the configuration once, for the code that this loads and compiles: what counts is how it is at `go`."""
    with suppress(ConfigError, OSError):
        resolve(environ, flags)


def explain(error: BaseException) -> tuple[str, int]:
    """Why the process ends, in a sentence, and its exit code."""
    if isinstance(error, BaseExceptionGroup):
        return explain(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])
    if isinstance(error, StorageUnavailableError):
        # Another gateway with this database is no fault that passes: it is given up after some tries.
        held = error.obstacle is Obstacle.HELD
        return f"The gateway cannot start for now: {error.message}", contract.EXIT_FAILURE if held else contract.EXIT_IO
    if isinstance(error, XopcError):
        return f"Gateway refused to start: {error.message}", error.failure.exit
    if isinstance(error, StorageError | OSError):
        return f"The gateway cannot run for now: {error}", contract.EXIT_IO
    return f"The gateway failed: {describe(error)}", contract.EXIT_FAILURE
