"""Asks a gateway how it is."""

from __future__ import annotations

import time
from typing import Any

from attrs import evolve, field, frozen

from xopc.client.http import Client, JsonObject, NoAnswerError, RefusedError
from xopc.contracts.errors import Failure, XopcError

SERVICE = "xopc-gateway"
HEALTH_PATH = "/api/health"
"""Needs no credential."""
STATUS_PATH = "/api/status"
HANDING_OVER = "handing-over"
"""State of a supervisor whose new process is not ready to take over yet."""
UNSETTLED = frozenset({"restarting", "stopping"})


def health_of(client: Client) -> JsonObject:
    """The body of `/api/health`; also that of a gateway which says, with an error status, that it restarts or stops.

    Raises:
        NoAnswerError: nobody answers, or what answers is not a gateway.
        RefusedError: it answers with an error.
    """
    try:
        body = client.get(HEALTH_PATH)
    except RefusedError as error:
        if error.body is None or error.body.get("status") not in UNSETTLED:
            raise
        body = error.body
    if body.get("service") != SERVICE:
        raise NoAnswerError(client.base_url, "what answers there is not an xopc gateway")
    return body


@frozen
class Answer:
    """What came of asking a gateway for its health, and then, with a credential, for details."""

    duration_ms: int
    """Of the first question."""
    health: JsonObject | None = None
    """None where it did not answer."""
    details: JsonObject = field(factory=dict[str, Any])
    """The body of `/api/status`; empty where it was refused."""
    error: str = ""
    """Why something is missing."""
    is_unauthorized: bool = False
    is_forbidden: bool = False
    """Whether the credential is known, and may not read the details."""
    has_credential: bool = True
    """Whether one was shown."""
    is_another: bool = False
    """Whether somebody answered who is not the gateway that was asked."""

    @property
    def reachable(self) -> bool:
        return self.health is not None

    def to_json(self) -> JsonObject:
        seen = {name: value for name, value in self.details.items() if name != "health"}
        base: JsonObject = {"reachable": self.reachable, "durationMs": self.duration_ms}
        return {**base, **(self.health or {}), **seen, **({"error": self.error} if self.error else {})}


def ask(client: Client) -> Answer:
    """Ask for all there is to know. Never raises for what the gateway does, or does not do."""
    began = time.monotonic()
    try:
        health = health_of(evolve(client, credential=None))
    except XopcError as error:
        return Answer(_ms_since(began), error=error.message)
    took = _ms_since(began)
    try:
        return Answer(took, health, client.get(STATUS_PATH))
    except RefusedError as error:
        return Answer(
            took,
            health,
            error=error.message,
            is_unauthorized=error.failure is Failure.UNAUTHORIZED,
            is_forbidden=error.failure is Failure.FORBIDDEN,
            has_credential=client.credential is not None,
        )
    except XopcError as error:
        return Answer(took, health, error=error.message)


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
