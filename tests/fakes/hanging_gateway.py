"""The real gateway process with one more route, which blocks the event loop as no code of a gateway should."""

import sys
import time
from typing import Any

from attrs import frozen

from xopc.contracts.auth import Scope
from xopc.gateway.main import main
from xopc.server.api import ROUTES
from xopc.server.routes import Call, Route


@frozen
class Hung:
    seconds: float


async def hang(call: Call[Any]) -> Hung:
    seconds = float(call.path["seconds"])
    time.sleep(seconds)  # noqa: ASYNC251 - this is what the route is for
    return Hung(seconds)


HANG = Route(
    method="GET", path="/hang/{seconds}", summary="Block the event loop", scope=Scope.READ, handler=hang, response=Hung
)

sys.exit(main((*ROUTES, HANG)))
