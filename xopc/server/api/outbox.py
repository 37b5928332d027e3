"""The outbox to look at, and its dead letters to decide about."""

from __future__ import annotations

from http import HTTPStatus

from xopc.contracts.api_outbox import (
    OutboundDeleted,
    OutboundFilter,
    OutboundMessage,
    OutboundPage,
    OutboundRetried,
)
from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.messages import OutboxRow
from xopc.contracts.operations import Link
from xopc.server.api import examples
from xopc.server.api.times import iso_utc
from xopc.server.query import read_query
from xopc.server.routes import Call, Route


async def _list(call: Call[None]) -> OutboundPage:
    query = read_query(call.query, OutboundFilter)
    rows = await call.services.storage.outbox(query.state, query.limit + 1, query.offset)
    items = tuple(_shown(row) for row in rows[: query.limit])
    return OutboundPage(items, query.limit, query.offset, has_more=len(rows) > query.limit)


async def _retry(call: Call[None]) -> OutboundRetried:
    row_id = call.path["id"]
    if not await call.services.outbox.retry_dead(row_id):
        raise _not_dead()
    return OutboundRetried(True)


async def _delete(call: Call[None]) -> OutboundDeleted:
    if not await call.services.storage.delete_dead(call.path["id"]):
        raise _not_dead()
    return OutboundDeleted(True)


def _not_dead() -> XopcError:
    return XopcError(
        Failure.NOT_FOUND, "There is no dead letter with this id. GET /api/outbound?state=dead lists them."
    )


def _shown(row: OutboxRow) -> OutboundMessage:
    address = row.outbound.address
    return OutboundMessage(
        id=row.id,
        channel=address.channel,
        account_id=address.account,
        chat_id=address.chat,
        thread_id=address.thread,
        content=row.outbound.text,
        state=row.state,
        created_at=iso_utc(row.created_at),
        attempts=row.attempts,
        next_attempt_at=iso_utc(row.next_attempt_at) if row.next_attempt_at else None,
        parts_sent=row.parts_sent,
        last_error=row.last_error,
        possible_duplicate=row.possible_duplicate,
    )


OUTBOUND = Route(
    method="GET",
    path="/api/outbound",
    summary="Messages of the outbox in one state; the dead letters, unless `state` says otherwise.",
    scope=Scope.READ,
    handler=_list,
    query=OutboundFilter,
    response=OutboundPage,
    response_examples={HTTPStatus.OK: examples.DEAD_LETTERS},
    links=(
        Link("retry", "POST /api/outbound/{id}/retry", {"id": "$response.body#/items/0/id"}),
        Link("forget", "DELETE /api/outbound/{id}", {"id": "$response.body#/items/0/id"}),
    ),
)
OUTBOUND_RETRY = Route(
    method="POST",
    path="/api/outbound/{id}/retry",
    summary="Send a dead letter again, as if for the first time.",
    scope=Scope.WRITE,
    handler=_retry,
    path_parameters={"id": examples.MESSAGE_ID},
    response=OutboundRetried,
    response_examples={HTTPStatus.OK: OutboundRetried(True)},
    errors=(Failure.NOT_FOUND,),
)
OUTBOUND_DELETE = Route(
    method="DELETE",
    path="/api/outbound/{id}",
    summary="Forget a dead letter.",
    scope=Scope.WRITE,
    handler=_delete,
    path_parameters={"id": examples.MESSAGE_ID},
    response=OutboundDeleted,
    response_examples={HTTPStatus.OK: OutboundDeleted(True)},
    errors=(Failure.NOT_FOUND,),
)
