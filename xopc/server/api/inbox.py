"""The inbox to look at, and what was given up in it to decide about."""

from __future__ import annotations

from http import HTTPStatus

from xopc.contracts.api.inbox import InboxDeleted, InboxFilter, InboxMessage, InboxPage, InboxRetried
from xopc.contracts.api.paging import cursor_of, place_of
from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.messages import InboxRow
from xopc.contracts.openapi.operations import Link
from xopc.server.api import inbox_examples as examples
from xopc.server.api.times import iso_utc
from xopc.server.query import read_query
from xopc.server.routes import Call, Route
from xopc.storage.path.inbox import InboxPlace


async def _list(call: Call[None]) -> InboxPage:
    query = read_query(call.query, InboxFilter)
    place = place_of(query.cursor, query.state.value, 2)
    behind = None if place is None else InboxPlace(place[0], int(place[1]))
    rows = await call.services.storage.inbox(query.state, query.limit + 1, behind)
    page, more = rows[: query.limit], rows[query.limit :]
    cursor = cursor_of(query.state.value, page[-1].parked_at or 0, page[-1].seq) if more else None
    return InboxPage(tuple(map(_shown, page)), query.limit, bool(more), cursor)


async def _retry(call: Call[None]) -> InboxRetried:
    if not await call.services.sessions.retry(call.path["id"]):
        raise _not_parked()
    return InboxRetried(True)


async def _delete(call: Call[None]) -> InboxDeleted:
    if not await call.services.storage.delete_parked(call.path["id"]):
        raise _not_parked()
    return InboxDeleted(True)


def _not_parked() -> XopcError:
    return XopcError(
        Failure.NOT_FOUND, "There is no parked message with this run id. GET /api/inbox?state=parked lists them."
    )


def _shown(row: InboxRow) -> InboxMessage:
    inbound = row.inbound
    address = inbound and inbound.address
    return InboxMessage(
        run_id=row.run_id,
        session_key=row.session_key,
        channel=address and address.channel,
        account_id=address and address.account,
        chat_id=address and address.chat,
        thread_id=address and address.thread,
        sender=inbound and (inbound.sender_name or inbound.sender),
        content=inbound and inbound.text,
        state=row.state,
        deliver=row.deliver,
        accepted_at=iso_utc(row.accepted_at),
        attempts=row.attempts,
        last_error=row.last_error,
        parked_at=None if row.parked_at is None else iso_utc(row.parked_at),
    )


INBOX = Route(
    method="GET",
    path="/api/inbox",
    summary="Messages without an answer in one state; those that were given up, unless `state` says otherwise.",
    scope=Scope.READ,
    handler=_list,
    query=InboxFilter,
    response=InboxPage,
    response_examples={HTTPStatus.OK: examples.PARKED},
    links=(
        Link("retry", "POST /api/inbox/{id}/retry", {"id": "$response.body#/items/0/runId"}),
        Link("forget", "DELETE /api/inbox/{id}", {"id": "$response.body#/items/0/runId"}),
    ),
)
INBOX_RETRY = Route(
    method="POST",
    path="/api/inbox/{id}/retry",
    summary="Have a message answered that was given up, as if it had just come.",
    scope=Scope.WRITE,
    handler=_retry,
    path_parameters={"id": examples.RUN_ID},
    response=InboxRetried,
    response_examples={HTTPStatus.OK: InboxRetried(True)},
    errors=(Failure.NOT_FOUND,),
)
INBOX_DELETE = Route(
    method="DELETE",
    path="/api/inbox/{id}",
    summary="Forget a message that was given up.",
    scope=Scope.WRITE,
    handler=_delete,
    path_parameters={"id": examples.RUN_ID},
    response=InboxDeleted,
    response_examples={HTTPStatus.OK: InboxDeleted(True)},
    errors=(Failure.NOT_FOUND,),
)
