"""Asking for an in-process restart."""

from __future__ import annotations

from http import HTTPStatus

from xopc.contracts.api.status import RestartAccepted, RestartRequest
from xopc.contracts.auth import Scope
from xopc.server.api import examples
from xopc.server.routes import Call, Route


async def _restart(call: Call[RestartRequest]) -> RestartAccepted:
    # The reason becomes part of a line, in the log and on the way to the supervisor.
    printable = "".join(character if character.isprintable() else " " for character in call.body.reason or "")
    return call.services.restart(printable.strip() or "POST /api/restart")


RESTART = Route(
    method="POST",
    path="/api/restart",
    summary="Restart the gateway in its process, with its configuration read again.",
    scope=Scope.ADMIN,
    handler=_restart,
    request=RestartRequest,
    request_examples={"reason": {"reason": "a new plug-in"}},
    response=RestartAccepted,
    response_examples={HTTPStatus.ACCEPTED: examples.RESTARTING},
    status=HTTPStatus.ACCEPTED,
)
