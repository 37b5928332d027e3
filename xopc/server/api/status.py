"""How the gateway is: in a word for everybody, in full for a reader."""

from __future__ import annotations

from http import HTTPStatus

from xopc.contracts.api.status import Health, Status
from xopc.contracts.auth import Scope
from xopc.server.api import examples
from xopc.server.routes import Call, Route


async def _health(call: Call[None]) -> Health:
    return call.services.health()


async def _status(call: Call[None]) -> Status:
    return await call.services.status()


HEALTH = Route(
    method="GET",
    path="/health",
    summary="How the gateway is; answered while it restarts, too, and with 503 once it stops.",
    scope=None,
    handler=_health,
    response=Health,
    response_examples={HTTPStatus.OK: examples.HEALTHY, HTTPStatus.SERVICE_UNAVAILABLE: examples.STOPPING},
    also={HTTPStatus.SERVICE_UNAVAILABLE: Health},
)
API_HEALTH = Route(
    method="GET",
    path="/api/health",
    summary="The same as /health.",
    scope=None,
    handler=_health,
    response=Health,
    response_examples={HTTPStatus.OK: examples.HEALTHY, HTTPStatus.SERVICE_UNAVAILABLE: examples.STOPPING},
    also={HTTPStatus.SERVICE_UNAVAILABLE: Health},
)
STATUS = Route(
    method="GET",
    path="/api/status",
    summary="Health, and what only a credential may see.",
    scope=Scope.READ,
    handler=_status,
    response=Status,
    response_examples={HTTPStatus.OK: examples.STATUS},
    tag="health",
)
