"""What concerns many sessions: their sums, the chats they come from, and forgetting the old ones or a person."""

from __future__ import annotations

import time
from http import HTTPStatus

import trio

from xopc.contracts.api.forget import ForgetPerson, Forgotten
from xopc.contracts.api.paging import MAX_PAGE
from xopc.contracts.api.session_actions import (
    ChatId,
    ChatIds,
    ChatQuery,
    PruneSessions,
    SessionsPruned,
    SessionStatistics,
)
from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.keys import segment
from xopc.core.identity import Identity, identify
from xopc.server.api import session_examples
from xopc.server.api.session_bodies import shown_statistics
from xopc.server.api.times import iso_utc
from xopc.server.query import read_query
from xopc.server.routes import Call, Route
from xopc.server.services import Services
from xopc.storage.path.forget import Traces
from xopc.storage.path.sessions import PruneQuery

ABORT_SECONDS = 5.0
"""For the turns of a person to end before they are forgotten; what has not ended by then stores nothing more."""


async def _statistics(call: Call[None]) -> SessionStatistics:
    return shown_statistics(*await call.services.storage.session_sums())


async def _chat_ids(call: Call[None]) -> ChatIds:
    query = read_query(call.query, ChatQuery)
    channel = query.channel and segment(query.channel, "")
    chats = await call.services.storage.chats(channel, query.limit + 1, query.offset)
    shown = tuple(
        ChatId(chat.channel, chat.chat, chat.account, chat.peer_kind, chat.chat, iso_utc(chat.last_at))
        for chat in chats[: query.limit]
    )
    return ChatIds(shown, query.limit, query.offset, has_more=len(chats) > query.limit)


async def _prune(call: Call[PruneSessions]) -> SessionsPruned:
    services, body = call.services, call.body
    query = PruneQuery(
        unused_since=None if body.unused_for_ms is None else time.time() - body.unused_for_ms / 1000,
        keep_newest=body.keep_newest,
        channel=body.channel and segment(body.channel, ""),
        agent_id=body.agent_id and segment(body.agent_id, ""),
    )
    keys = await (services.storage.prunable_sessions(query) if body.dry_run else services.upkeep.prune(query))
    return SessionsPruned(body.dry_run, len(keys), tuple(keys[:MAX_PAGE]))


async def _forget(call: Call[ForgetPerson]) -> Forgotten:
    services, body = call.services, call.body
    who = identify(body.person, services.settings.session)
    if who is None:
        problem = "names nobody in session.identityLinks, and no id, which is written as <channel>:<id>"
        raise XopcError(Failure.NOT_FOUND, f"$.person: {problem}")
    traces = await services.storage.traces(who.people, who.names)
    if body.dry_run:
        return _forgotten(who, traces, is_dry=True, aborted=len(traces.open_runs))
    await _abort(services, traces)
    gone = await services.storage.forget(who.people, who.names)
    for key in gone.sessions:
        services.hub.publish("session.deleted", {"key": key})
    for key in gone.shared:
        services.hub.publish("session.updated", {"key": key})
    return _forgotten(who, gone, is_dry=False, aborted=len(traces.open_runs))


async def _abort(services: Services, traces: Traces) -> None:
    """Stop what the agent does for a person, and wait for its end, not for ever."""
    with trio.move_on_after(ABORT_SECONDS):
        async with trio.open_nursery() as nursery:
            for key in traces.sessions:
                nursery.start_soon(services.sessions.abort_session, key)
            for key, run_id in traces.open_runs:
                if key not in traces.sessions and services.sessions.abort(run_id):
                    nursery.start_soon(_ended, services, run_id)


async def _ended(services: Services, run_id: str) -> None:
    try:
        await services.sessions.wait(run_id)
    except XopcError:
        return


def _forgotten(who: Identity, traces: Traces, *, is_dry: bool, aborted: int) -> Forgotten:
    return Forgotten(
        dry_run=is_dry,
        people=tuple(f"{person.channel}:{person.id}" if person.channel else person.id for person in who.people),
        sessions=traces.sessions,
        shared_sessions=traces.shared,
        messages=traces.messages,
        redacted_messages=traces.redacted,
        inbox=traces.inbox,
        outbox=traces.outbox,
        dedupe_keys=traces.dedupe_keys,
        aborted_runs=aborted,
    )


SESSION_STATISTICS = Route(
    method="GET",
    path="/api/sessions/stats",
    summary="How many sessions there are, and how much was said in them.",
    scope=Scope.READ,
    handler=_statistics,
    response=SessionStatistics,
    response_examples={HTTPStatus.OK: session_examples.STATISTICS},
)
CHAT_IDS = Route(
    method="GET",
    path="/api/sessions/chat-ids",
    summary="The chats that somebody has written from, the last used first.",
    scope=Scope.READ,
    handler=_chat_ids,
    query=ChatQuery,
    response=ChatIds,
    response_examples={HTTPStatus.OK: session_examples.CHAT_IDS},
)
SESSIONS_PRUNE = Route(
    method="POST",
    path="/api/sessions/prune",
    summary="Forget the sessions that nobody uses, or with `dryRun`, which is the default, tell which they are.",
    scope=Scope.WRITE,
    handler=_prune,
    request=PruneSessions,
    request_examples={"unused for a month": {"unusedForMs": 2_592_000_000}},
    response=SessionsPruned,
    response_examples={HTTPStatus.OK: session_examples.PRUNED},
)
SESSIONS_FORGET = Route(
    method="POST",
    path="/api/sessions/forget",
    summary="Forget all of a person, or with `dryRun`, which is the default, tell how much that is.",
    scope=Scope.ADMIN,
    handler=_forget,
    request=ForgetPerson,
    request_examples={"one id": {"person": "telegram:123456"}},
    response=Forgotten,
    response_examples={HTTPStatus.OK: session_examples.FORGOTTEN},
    errors=(Failure.NOT_FOUND,),
)
