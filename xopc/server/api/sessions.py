"""Sessions: made, listed, read and forgotten."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from typing import Any

from xopc.contracts.api.sessions import (
    CreateSession,
    Direction,
    MessagePaging,
    SessionCreated,
    SessionDeleted,
    SessionFilter,
    SessionPage,
    SessionRead,
    SessionReused,
    SessionStatus,
)
from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.keys import MAIN_AGENT, SessionKey, parse_key, segment
from xopc.contracts.openapi.operations import Link
from xopc.server.api import examples, session_examples
from xopc.server.api.session_bodies import shown_detail, shown_session
from xopc.server.api.targets import DEFAULT_ACCOUNT, WEBCHAT, enabled_agent, new_peer, peer_kind
from xopc.server.query import read_query
from xopc.server.routes import Answer, Call, Route
from xopc.storage.path.sessions import Keeping, SessionInfo, SessionQuery


async def _create(call: Call[CreateSession]) -> SessionCreated | Answer:
    services, body = call.services, call.body
    agent = enabled_agent(body.agent_id, services.settings.agents, "$.agentId")
    source = segment(body.channel, WEBCHAT)
    if body.chat_id is None:
        empty = await services.storage.empty_session(source, agent)
        if empty is not None:
            return _reused(empty)
    peer = new_peer() if body.chat_id is None else str(body.chat_id).strip()
    kind = peer_kind(source, peer, services.channels).value
    key = str(SessionKey(agent, source, DEFAULT_ACCOUNT, kind, segment(peer, "unknown")))
    existing = await services.storage.session(key)
    if existing is not None:
        return _reused(existing)
    made = await services.storage.create_session(key, peer)
    services.hub.publish("session.updated", {"key": key})
    return SessionCreated(shown_session(made))


async def _list(call: Call[None]) -> SessionPage:
    query = read_query(call.query, SessionFilter)
    keepings, is_idle = _wanted(query.status)
    page, total = await call.services.storage.sessions(
        SessionQuery(
            channel=query.channel and segment(query.channel, WEBCHAT),
            agent_id=query.agent_id and segment(query.agent_id, MAIN_AGENT),
            search=query.search,
            keepings=keepings,
            is_idle=is_idle,
            tags=query.tags,
            sort_by=query.sort_by.value,
            descending=query.sort_order is Direction.DESCENDING,
            limit=query.limit,
            offset=query.offset,
        )
    )
    return SessionPage(
        items=tuple(map(shown_session, page)),
        total=total,
        limit=query.limit,
        offset=query.offset,
        has_more=query.offset + len(page) < total,
    )


async def _read(call: Call[None]) -> SessionRead:
    paging = read_query(call.query, MessagePaging)
    services = call.services
    session = await find_session(call)
    services.upkeep.note_access(session.key)
    entries = await services.storage.messages(session.key, paging.limit, paging.before)
    detail = shown_detail(session, entries, await services.storage.active_run(session.key))
    before = entries[0].seq if entries and entries[0].seq > 1 else None
    return SessionRead(detail, paging.limit, before is not None, before)


async def _delete(call: Call[None]) -> SessionDeleted:
    services = call.services
    session = await find_session(call)
    await services.sessions.abort_session(session.key)
    if not await services.storage.delete_session(session.key):
        raise unknown_session()
    services.hub.publish("session.deleted", {"key": session.key})
    return SessionDeleted(True)


def _wanted(statuses: Collection[SessionStatus]) -> tuple[frozenset[Keeping], bool | None]:
    """How sessions of these statuses are kept, and whether those that are active have to be idle, or must not be."""
    wanted = frozenset(statuses or SessionStatus)
    keepings = {keeping for keeping in Keeping if SessionStatus(keeping.value) in wanted}
    if SessionStatus.IDLE not in wanted:
        return frozenset(keepings), False
    return frozenset({*keepings, Keeping.ACTIVE}), None if SessionStatus.ACTIVE in wanted else True


async def find_session(call: Call[Any]) -> SessionInfo:
    """The session whose key stands in the path.

    Raises:
        XopcError: SESSION_NOT_FOUND.
    """
    raw = call.path["key"]
    session = await call.services.storage.session(str(parse_key(raw) or raw))
    if session is None:
        raise unknown_session()
    return session


def unknown_session() -> XopcError:
    """What is answered where there is none of a key."""
    return XopcError(Failure.SESSION_NOT_FOUND, "There is no session with this key. GET /api/sessions lists them.")


def _reused(session: SessionInfo) -> Answer:
    return Answer(HTTPStatus.OK, SessionReused(shown_session(session), reused=True))


def _links(key: str) -> tuple[Link, ...]:
    """What may be asked of the session whose key stands at `key` in the answer."""
    of_path = {"key": f"$response.body#/{key}"}
    return Link("read", "GET /api/sessions/{key}", of_path), Link("forget", "DELETE /api/sessions/{key}", of_path)


SESSION_CREATE = Route(
    method="POST",
    path="/api/sessions",
    summary="Make a session, or give one that is there: the same peer's, or an empty one.",
    scope=Scope.WRITE,
    handler=_create,
    request=CreateSession,
    request_examples={"anywhere": {}, "of a peer": {"chat_id": "notes"}},
    response=SessionCreated,
    response_examples={
        HTTPStatus.CREATED: SessionCreated(session_examples.SESSION),
        HTTPStatus.OK: SessionReused(session_examples.SESSION, reused=True),
    },
    links=_links("session/key"),
    status=HTTPStatus.CREATED,
    also={HTTPStatus.OK: SessionReused},
)
SESSIONS = Route(
    method="GET",
    path="/api/sessions",
    summary="The sessions, the last used first.",
    scope=Scope.READ,
    handler=_list,
    query=SessionFilter,
    response=SessionPage,
    response_examples={HTTPStatus.OK: session_examples.SESSION_PAGE},
    links=_links("items/0/key"),
)
SESSION = Route(
    method="GET",
    path="/api/sessions/{key}",
    summary="One session, with its newest messages.",
    scope=Scope.READ,
    handler=_read,
    path_parameters={"key": examples.KEY},
    query=MessagePaging,
    response=SessionRead,
    response_examples={HTTPStatus.OK: session_examples.READ},
    errors=(Failure.SESSION_NOT_FOUND,),
)
SESSION_DELETE = Route(
    method="DELETE",
    path="/api/sessions/{key}",
    summary="Forget a session and its messages; what the agent is answering there is stopped first.",
    scope=Scope.WRITE,
    handler=_delete,
    path_parameters={"key": examples.KEY},
    response=SessionDeleted,
    response_examples={HTTPStatus.OK: SessionDeleted(True)},
    errors=(Failure.SESSION_NOT_FOUND,),
)
