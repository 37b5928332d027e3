"""The real gateway process with a route that starts a tool that means to outlive it: without its group and parent."""

import subprocess
import sys
from typing import Any

import trio
from attrs import frozen

from xopc.contracts.auth import Scope
from xopc.gateway.main import main
from xopc.server.api import ROUTES
from xopc.server.routes import Call, Route

TOOL = "import os, subprocess, sys; os.setsid(); subprocess.Popen(['sleep', sys.argv[1]])"


@frozen
class Started:
    seconds: float


async def start(call: Call[Any]) -> Started:
    seconds = call.path["seconds"]
    await trio.run_process([sys.executable, "-c", TOOL, seconds], stdout=subprocess.DEVNULL)
    return Started(float(seconds))


START = Route(
    method="GET", path="/tool/{seconds}", summary="Start a tool", scope=Scope.READ, handler=start, response=Started
)

sys.exit(main((*ROUTES, START)))
