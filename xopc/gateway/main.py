"""The gateway process: takes over what its supervisor hands it, and runs the tree until an order ends it."""

from __future__ import annotations

import os
import socket
import sys

import structlog
import trio

import xopc
from xopc.config.paths import resolve_paths
from xopc.config.resolve import Flags
from xopc.config.setup import prepare
from xopc.contracts.errors import XopcError
from xopc.core.tasks import describe
from xopc.gateway import log as logs
from xopc.gateway.line import Line, keep_from_children
from xopc.gateway.memory import freeze_imports
from xopc.gateway.tree import Home, run
from xopc.server.api import ROUTES
from xopc.server.routes import Route
from xopc.storage.migrate import LATEST_SCHEMA
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
    keep_from_children(inheritance.line_fd, inheritance.lock_fd, *inheritance.listen_fds)
    environ = {name: value for name, value in os.environ.items() if name != contract.LAUNCH_VARIABLE}
    with logs.configure(resolve_paths(environ).log_dir, environ):
        try:
            return _run(inheritance, Flags(**launch.flags), environ, routes)
        except XopcError as error:
            log.fatal(f"Gateway refused to start: {error.message}")
            return error.failure.exit
        except Exception as error:
            log.fatal(f"The gateway failed: {describe(error)}", exc_info=True)
            return contract.EXIT_FAILURE


def _run(inheritance: Inheritance, flags: Flags, environ: dict[str, str], routes: tuple[Route, ...]) -> int:
    line = Line(inheritance.line_fd)
    home = Home(
        resolved=prepare(environ, flags),
        flags=flags,
        environ=environ,
        inheritance=inheritance,
        listeners=[socket.socket(fileno=fd) for fd in inheritance.listen_fds],
        line=line,
        routes=routes,
    )
    freeze_imports()
    line.say(contract.STANDBY, xopc.__version__, LATEST_SCHEMA)
    if not line.wait_for_go():
        return contract.EXIT_OK
    return trio.run(run, home)
