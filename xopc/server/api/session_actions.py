"""What can be done with one session beside talking: keeping it, naming it, beginning it anew, writing it down."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import trio

from xopc.contracts.api.session_actions import (
    MAX_EXPORT_CHARS,
    MAX_EXPORT_MESSAGES,
    TO_THE_AGENT,
    AgentConfig,
    AgentConfigPatch,
    ExportQuery,
    RenameSession,
    SessionArchived,
    SessionChanged,
    SessionExport,
    SessionPatch,
    SessionPinned,
    SessionRenamed,
    SessionReset,
)
from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure
from xopc.contracts.session_export import export
from xopc.server.api import examples, session_examples
from xopc.server.api.session_bodies import shown_config, shown_message, shown_session
from xopc.server.api.sessions import find_session, unknown_session
from xopc.server.api.targets import check_model
from xopc.server.query import read_query
from xopc.server.routes import Call, Route
from xopc.storage.path.sessions import Keeping, SessionChange, SessionInfo

_OF_KEY = {"key": examples.KEY}
_UNKNOWN = (Failure.SESSION_NOT_FOUND,)


async def _archive(call: Call[None]) -> SessionArchived:
    await _keep(call, Keeping.ARCHIVED)
    return SessionArchived(True)


async def _unarchive(call: Call[None]) -> SessionArchived:
    if (await find_session(call)).keeping is Keeping.ARCHIVED:
        await _keep(call, Keeping.ACTIVE)
    return SessionArchived(False)


async def _pin(call: Call[None]) -> SessionPinned:
    await _keep(call, Keeping.PINNED)
    return SessionPinned(True)


async def _unpin(call: Call[None]) -> SessionPinned:
    if (await find_session(call)).keeping is Keeping.PINNED:
        await _keep(call, Keeping.ACTIVE)
    return SessionPinned(False)


async def _keep(call: Call[None], keeping: Keeping) -> None:
    await _change(call, SessionChange(keeping=keeping))


async def _rename(call: Call[RenameSession]) -> SessionRenamed:
    await _change(call, SessionChange(name=call.body.name.strip()))
    return SessionRenamed(True)


async def _patch(call: Call[SessionPatch]) -> SessionChanged:
    body = call.body
    change = SessionChange(
        name=None if body.name is None else body.name.strip(),
        tags=None if body.tags is None else tuple(tag.strip() for tag in body.tags),
        custom_data=None if body.custom_data is None else body.custom_data.values,
    )
    return SessionChanged(shown_session(await _change(call, change)))


async def _reset(call: Call[None]) -> SessionReset:
    session = await find_session(call)
    await call.services.storage.reset_session(session.key)
    call.services.hub.publish("session.updated", {"key": session.key})
    return SessionReset(True)


async def _config(call: Call[None]) -> AgentConfig:
    return shown_config(await find_session(call))


async def _configure(call: Call[AgentConfigPatch]) -> AgentConfig:
    body = call.body
    if body.model != TO_THE_AGENT:
        check_model(body.model, call.services.why_no_model)
    levels = (body.thinking_level, body.reasoning_level, body.verbose_level)
    thinking, reasoning, verbose = (None if level is None else _stored(level.value) for level in levels)
    change = SessionChange(
        thinking_level=thinking,
        reasoning_level=reasoning,
        verbose_level=verbose,
        model=None if body.model is None else _stored(body.model),
    )
    return shown_config(await _change(call, change))


def _stored(choice: str) -> str:
    return "" if choice == TO_THE_AGENT else choice


async def _change(call: Call[Any], change: SessionChange) -> SessionInfo:
    """Change the session of the path, and tell everybody."""
    found = await find_session(call)
    changed = await call.services.storage.change_session(found.key, change)
    if changed is None:
        raise unknown_session()
    news: dict[str, object] = {"key": changed.key}
    if change.name is not None:
        news["name"] = changed.name
    if change.tags is not None:
        news["tags"] = list(changed.tags)
    call.services.hub.publish("session.updated", news)
    return changed


async def _export(call: Call[None]) -> SessionExport:
    how = read_query(call.query, ExportQuery).format
    session = await find_session(call)
    entries = await call.services.storage.all_messages(session.key, MAX_EXPORT_MESSAGES, MAX_EXPORT_CHARS)

    def written() -> str:
        return export(shown_session(session), map(shown_message, entries), how)

    return SessionExport(await trio.to_thread.run_sync(written), how)


SESSION_ARCHIVE = Route(
    method="POST",
    path="/api/sessions/{key}/archive",
    summary="Put a session away: pruning leaves it alone, and a new message makes it active again.",
    scope=Scope.WRITE,
    handler=_archive,
    path_parameters=_OF_KEY,
    response=SessionArchived,
    response_examples={HTTPStatus.OK: SessionArchived(True)},
    errors=_UNKNOWN,
)
SESSION_UNARCHIVE = Route(
    method="POST",
    path="/api/sessions/{key}/unarchive",
    summary="Take a session back from the archive.",
    scope=Scope.WRITE,
    handler=_unarchive,
    path_parameters=_OF_KEY,
    response=SessionArchived,
    response_examples={HTTPStatus.OK: SessionArchived(False)},
    errors=_UNKNOWN,
)
SESSION_PIN = Route(
    method="POST",
    path="/api/sessions/{key}/pin",
    summary="Keep a session: pruning leaves it alone.",
    scope=Scope.WRITE,
    handler=_pin,
    path_parameters=_OF_KEY,
    response=SessionPinned,
    response_examples={HTTPStatus.OK: SessionPinned(True)},
    errors=_UNKNOWN,
)
SESSION_UNPIN = Route(
    method="POST",
    path="/api/sessions/{key}/unpin",
    summary="Keep a session no longer.",
    scope=Scope.WRITE,
    handler=_unpin,
    path_parameters=_OF_KEY,
    response=SessionPinned,
    response_examples={HTTPStatus.OK: SessionPinned(False)},
    errors=_UNKNOWN,
)
SESSION_RENAME = Route(
    method="POST",
    path="/api/sessions/{key}/rename",
    summary="Give a session a name.",
    scope=Scope.WRITE,
    handler=_rename,
    path_parameters=_OF_KEY,
    request=RenameSession,
    request_examples={"a name": {"name": "Shopping"}},
    response=SessionRenamed,
    response_examples={HTTPStatus.OK: SessionRenamed(True)},
    errors=_UNKNOWN,
)
SESSION_RESET = Route(
    method="POST",
    path="/api/sessions/{key}/reset",
    summary="Begin a session anew: what was said stays readable, and the agent no longer thinks of it.",
    scope=Scope.WRITE,
    handler=_reset,
    path_parameters=_OF_KEY,
    response=SessionReset,
    response_examples={HTTPStatus.OK: SessionReset(True)},
    errors=_UNKNOWN,
)
SESSION_PATCH = Route(
    method="PATCH",
    path="/api/sessions/{key}",
    summary="Change a session's name, its tags, and what clients remember of it.",
    scope=Scope.WRITE,
    handler=_patch,
    path_parameters=_OF_KEY,
    request=SessionPatch,
    request_examples={"tags": {"tags": ["home"]}, "data of a client": {"customData": {"colour": "green"}}},
    response=SessionChanged,
    response_examples={HTTPStatus.OK: SessionChanged(session_examples.SESSION)},
    errors=_UNKNOWN,
)
SESSION_CONFIG = Route(
    method="GET",
    path="/api/sessions/{key}/agent-config",
    summary="What a session has chosen for itself, and not left to the agent.",
    scope=Scope.READ,
    handler=_config,
    path_parameters=_OF_KEY,
    response=AgentConfig,
    response_examples={HTTPStatus.OK: session_examples.AGENT_CONFIG},
    errors=_UNKNOWN,
)
SESSION_CONFIGURE = Route(
    method="PATCH",
    path="/api/sessions/{key}/agent-config",
    summary="Choose a model for a session, and how long it thinks, from its next turn on.",
    scope=Scope.WRITE,
    handler=_configure,
    path_parameters=_OF_KEY,
    request=AgentConfigPatch,
    request_examples={"a model": {"model": "openai/gpt-6-luna", "thinkingLevel": "high"}},
    response=AgentConfig,
    response_examples={HTTPStatus.OK: session_examples.AGENT_CONFIG},
    errors=_UNKNOWN,
)
SESSION_EXPORT = Route(
    method="GET",
    path="/api/sessions/{key}/export",
    summary="A session as the text of a file, in JSON or Markdown.",
    scope=Scope.READ,
    handler=_export,
    path_parameters=_OF_KEY,
    query=ExportQuery,
    response=SessionExport,
    response_examples={HTTPStatus.OK: session_examples.EXPORT},
    errors=_UNKNOWN,
)
