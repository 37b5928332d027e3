"""What the gateway counts of itself, in the text format of Prometheus."""

from __future__ import annotations

from http import HTTPStatus

from xopc.contracts.auth import Scope
from xopc.core.metrics import MEDIA_TYPE
from xopc.server.routes import Call, Route

_EXAMPLE = """# HELP xopc_restarts_total Starts and restarts of this process, by kind.
# TYPE xopc_restarts_total counter
xopc_restarts_total{kind="start"} 1
xopc_restarts_total{kind="in-process"} 3
"""


async def _metrics(call: Call[None]) -> str:
    return await call.services.metrics()


METRICS = Route(
    method="GET",
    path="/metrics",
    summary="What the gateway counts of itself, for Prometheus.",
    scope=Scope.READ,
    handler=_metrics,
    response=str,
    media_type=MEDIA_TYPE,
    response_examples={HTTPStatus.OK: _EXAMPLE},
    tag="health",
)
