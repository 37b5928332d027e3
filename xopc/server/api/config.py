"""The configuration: to be looked at, changed, and read again."""

from __future__ import annotations

import trio
from attrs import evolve

from xopc.contracts.api.config import (
    Config,
    ConfigChange,
    ConfigChanged,
    ConfigPatch,
    ConfigPayload,
    ConfigReloaded,
    ConfigShown,
)
from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure, XopcError
from xopc.core.redact import hides
from xopc.server.routes import Call, Route

APPLY_SECONDS = 5
"""For a change that is begun: whoever asked for it may leave, and what is saved takes effect all the same."""


async def _show(call: Call[None]) -> ConfigShown:
    values = await trio.to_thread.run_sync(call.services.config.view, hides)
    return ConfigShown(ConfigPayload(Config(values)))


async def _change(call: Call[ConfigPatch]) -> ConfigChanged:
    with trio.CancelScope(deadline=trio.current_time() + APPLY_SECONDS, shield=True):
        async with _ONE_AT_A_TIME:
            return await _apply(call)
    raise XopcError(Failure.UNAVAILABLE, f"The change did not take effect within {APPLY_SECONDS} seconds.")


async def _apply(call: Call[ConfigPatch]) -> ConfigChanged:
    """Save a change and bring it into effect, or take it back."""
    editor = call.services.config
    edited = await trio.to_thread.run_sync(editor.change, call.body.changes, hides)
    if edited.after is None:
        return ConfigChanged(ConfigChange(Config(edited.config), requires_restart=False))
    outcome = await call.services.reload("PATCH /api/config", anew=False)
    if not outcome.reloaded:
        await trio.to_thread.run_sync(editor.undo, edited)
        raise XopcError(Failure.INVALID_REQUEST, editor.without_path(outcome.error or "It cannot take effect."))
    return ConfigChanged(ConfigChange(Config(edited.config), bool(outcome.restart), outcome.hot, outcome.restart))


async def _reload(call: Call[None]) -> ConfigReloaded:
    outcome = await call.services.reload("POST /api/config/reload")
    error = None if outcome.error is None else call.services.config.without_path(outcome.error)
    return ConfigReloaded(evolve(outcome, error=error))


_ONE_AT_A_TIME = trio.Lock()
"""Of the process: a change that is weighed beside one that is taken back would stand on it, and keep it in the file."""

CONFIG = Route(
    method="GET",
    path="/api/config",
    summary="The configuration file with its defaults, and without its secrets.",
    scope=Scope.ADMIN,
    handler=_show,
    response=ConfigShown,
)
CONFIG_CHANGE = Route(
    method="PATCH",
    path="/api/config",
    summary="Change the configuration file: weighed as at a start, saved whole or not at all, and brought into effect.",
    scope=Scope.ADMIN,
    handler=_change,
    request=ConfigPatch,
    response=ConfigChanged,
    errors=(Failure.CONFLICT,),
)
CONFIG_RELOAD = Route(
    method="POST",
    path="/api/config/reload",
    summary="Read the configuration file again, and bring it into effect.",
    scope=Scope.ADMIN,
    handler=_reload,
    response=ConfigReloaded,
)
