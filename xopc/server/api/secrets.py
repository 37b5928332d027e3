"""The secrets that the configuration refers to: to be looked up again."""

from __future__ import annotations

from xopc.contracts.api.secrets import SecretsReload, SecretsReloaded
from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure, XopcError
from xopc.server.routes import Call, Route


async def _reload(call: Call[None]) -> SecretsReloaded:
    outcome = await call.services.reload("POST /api/secrets/reload")
    if not outcome.reloaded:
        why = call.services.config.without_path(outcome.error or "They cannot be had.")
        raise XopcError(Failure.UNAVAILABLE, f"The secrets of before stay in force. {why}")
    return SecretsReloaded(SecretsReload(outcome.warning_count, outcome.hot, outcome.restart))


SECRETS_RELOAD = Route(
    method="POST",
    path="/api/secrets/reload",
    summary="Look up all secrets that the configuration refers to again, and take all of them or none.",
    scope=Scope.ADMIN,
    handler=_reload,
    response=SecretsReloaded,
)
