"""The real gateway process with two more routes: one that takes its time, and one that cannot be cancelled.

It tells each call of them, such as `GET /slow/2`, so that a test sees that its request is in flight.
"""

import sys
import time
from typing import Any

import trio
from attrs import frozen

from xopc.contracts.auth import Scope
from xopc.gateway.main import main
from xopc.server.api import ROUTES
from xopc.server.routes import Call, Route


@frozen
class Slept:
    seconds: float


async def sleep(call: Call[Any]) -> Slept:
    print(f"GET /slow/{call.path['seconds']}", flush=True)  # noqa: T201  tests wait for it
    seconds = float(call.path["seconds"])
    await trio.sleep(seconds)
    return Slept(seconds)


async def stick(call: Call[Any]) -> Slept:
    print(f"GET /stuck/{call.path['seconds']}", flush=True)  # noqa: T201  tests wait for it
    seconds = float(call.path["seconds"])
    await trio.to_thread.run_sync(time.sleep, seconds)
    return Slept(seconds)


SLOW = Route(method="GET", path="/slow/{seconds}", summary="Sleep", scope=Scope.READ, handler=sleep, response=Slept)
STUCK = Route(
    method="GET", path="/stuck/{seconds}", summary="Block a thread", scope=Scope.READ, handler=stick, response=Slept
)

sys.exit(main((*ROUTES, SLOW, STUCK)))
