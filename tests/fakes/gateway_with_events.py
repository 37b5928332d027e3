"""The real gateway process with one more route, which publishes events at a steady rate.

The sources of a real gateway write to the disk before they tell anybody; here the hub alone has work to do.
"""

import sys
import time
from typing import Any

import trio
from attrs import frozen

from xopc.contracts.auth import Scope
from xopc.core.hub import AGENT_STREAM
from xopc.gateway.main import main
from xopc.server.api import ROUTES
from xopc.server.routes import Call, Route

SESSION = "main:webchat:default:direct:bench"


@frozen
class Published:
    events: int


async def publish(call: Call[Any]) -> Published:
    kind, rate, count = call.path["type"], int(call.path["rate"]), int(call.path["count"])
    began = trio.current_time()
    for number in range(1, count + 1):
        await trio.sleep_until(began + number / rate)
        # The clock is the same in all processes of a machine.
        stamp = {"number": number, "at": time.monotonic_ns()}
        if kind == AGENT_STREAM:
            data = {"sessionKey": SESSION, "runId": "r1", "event": {"type": "token", "content": " word"}, **stamp}
        else:
            data = {"key": SESSION, "name": "The name of a session, as somebody gave it", **stamp}
        call.services.hub.publish(kind, data)
    return Published(count)


PUBLISH = Route(
    method="GET",
    path="/publish/{type}/{rate}/{count}",
    summary="Publish",
    scope=Scope.READ,
    handler=publish,
    response=Published,
)

sys.exit(main((*ROUTES, PUBLISH)))
