"""Letting in again whom wrong credentials have blocked."""

from __future__ import annotations

from xopc.contracts.api.status import Unlocked, UnlockRequest
from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure, XopcError
from xopc.server.door.client_address import network_of
from xopc.server.routes import Call, Route


async def _unlock(call: Call[UnlockRequest]) -> Unlocked:
    client = call.body.client
    try:
        network = None if client is None else network_of(client.partition("/")[0])
    except ValueError:
        raise XopcError(Failure.INVALID_REQUEST, "$.client: must be an IP address, such as 192.0.2.7") from None
    return Unlocked(ok=True, unlocked=call.services.door.limiter.unlock(network))


UNLOCK = Route(
    method="POST",
    path="/api/auth/unlock",
    summary="Forget the wrong credentials of one client, or of all, so that those who are blocked may try again.",
    scope=Scope.ADMIN,
    handler=_unlock,
    request=UnlockRequest,
    response=Unlocked,
)
