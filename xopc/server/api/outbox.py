"""The outbox to look at: what waits, to be taken back, and dead letters, to be decided about."""

from __future__ import annotations

from http import HTTPStatus

from xopc.contracts.api.outbox import (
    DeadLetters,
    OutboundFilter,
    OutboundMessage,
    OutboundPage,
    OutboundRemoved,
    OutboundRetried,
    OutboundsDeleted,
    OutboundsRetried,
)
from xopc.contracts.api.paging import cursor_of, place_of
from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.messages import OutboxRow, OutboxState
from xopc.contracts.openapi.operations import Link
from xopc.server.api import outbox_examples as examples
from xopc.server.api.times import iso_utc
from xopc.server.query import read_query
from xopc.server.routes import Call, Route
from xopc.server.services import Services
from xopc.storage.path.outbox import OutboxQuery, Removal, Selection

_LIST = "outbox"
"""As its cursors name it."""


async def _list(call: Call[None]) -> OutboundPage:
    query = read_query(call.query, OutboundFilter)
    states = query.state or (OutboxState.DEAD,)
    place = place_of(query.cursor, _LIST, 1)
    before = None if place is None else int(place[0])
    page = await call.services.storage.outbox(OutboxQuery(states, query.limit, before, _selection(query)))
    items = tuple(_shown(row, call.services) for row in page.rows)
    cursor = None if page.next_before is None else cursor_of(_LIST, page.next_before)
    return OutboundPage(items, query.limit, cursor is not None, cursor)


async def _show(call: Call[None]) -> OutboundMessage:
    row = await call.services.storage.outbox_row(call.path["id"])
    if row is None:
        raise _not_there()
    return _shown(row, call.services)


async def _retry(call: Call[None]) -> OutboundRetried:
    row_id = call.path["id"]
    if not await call.services.outbox.retry_dead(row_id):
        raise XopcError(
            Failure.NOT_FOUND, "There is no dead letter with this id. GET /api/outbound?state=dead lists them."
        )
    return OutboundRetried(True)


async def _retry_all(call: Call[DeadLetters]) -> OutboundsRetried:
    return OutboundsRetried(await call.services.outbox.retry_all_dead(_selection(call.body)))


async def _remove(call: Call[None]) -> OutboundRemoved:
    removal = await call.services.outbox.remove(call.path["id"])
    if removal is None:
        raise _not_there()
    if removal is Removal.TOO_LATE:
        raise XopcError(Failure.CONFLICT, "The message was sent, or is being sent: it cannot be taken back any more.")
    return OutboundRemoved(cancelled=removal is Removal.CANCELLED, deleted=removal is Removal.FORGOTTEN)


async def _delete_all(call: Call[DeadLetters]) -> OutboundsDeleted:
    return OutboundsDeleted(await call.services.storage.delete_all_dead(_selection(call.body)))


def _selection(wanted: OutboundFilter | DeadLetters) -> Selection:
    return Selection(wanted.channel, wanted.account_id, wanted.chat_id, wanted.error_class)


def _not_there() -> XopcError:
    return XopcError(
        Failure.NOT_FOUND,
        "There is no message with this id. One that was sent or cancelled is known for a day, a dead letter for 30.",
    )


def _shown(row: OutboxRow, services: Services) -> OutboundMessage:
    address = row.outbound.address
    is_pending = row.state is OutboxState.PENDING
    own_ttl = row.outbound.ttl_seconds
    ttl = services.settings.outbox.ttl_seconds if own_ttl is None else own_ttl
    return OutboundMessage(
        id=row.id,
        channel=address.channel,
        account_id=address.account,
        chat_id=address.chat,
        thread_id=address.thread,
        content=row.outbound.text,
        state=row.state,
        created_at=iso_utc(row.created_at),
        expires_at=iso_utc(row.queued_at + ttl) if row.settled_at is None else None,
        settled_at=None if row.settled_at is None else iso_utc(row.settled_at),
        attempts=row.attempts,
        next_attempt_at=iso_utc(row.next_attempt_at) if is_pending and row.next_attempt_at else None,
        waits_for=services.outbox.waits_for(row) if is_pending else None,
        parts_sent=row.parts_sent,
        platform_message_ids=row.platform_ids,
        last_error=row.last_error,
        error_class=row.error_class,
        possible_duplicate=row.possible_duplicate,
    )


OUTBOUND = Route(
    method="GET",
    path="/api/outbound",
    summary="Messages of the outbox in some states; the dead letters, unless `state` says otherwise.",
    scope=Scope.READ,
    handler=_list,
    query=OutboundFilter,
    response=OutboundPage,
    response_examples={HTTPStatus.OK: examples.DEAD_LETTERS},
    links=(
        Link("message", "GET /api/outbound/{id}", {"id": "$response.body#/items/0/id"}),
        Link("retry", "POST /api/outbound/{id}/retry", {"id": "$response.body#/items/0/id"}),
        Link("remove", "DELETE /api/outbound/{id}", {"id": "$response.body#/items/0/id"}),
    ),
)
OUTBOUND_MESSAGE = Route(
    method="GET",
    path="/api/outbound/{id}",
    summary="What became of a message.",
    scope=Scope.READ,
    handler=_show,
    path_parameters={"id": examples.MESSAGE_ID},
    response=OutboundMessage,
    response_examples={HTTPStatus.OK: examples.DEAD_LETTER},
    errors=(Failure.NOT_FOUND,),
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
OUTBOUND_RETRY_ALL = Route(
    method="POST",
    path="/api/dead-letters/retry",
    tag="outbound",
    summary="Send dead letters again, as if for the first time: all, or those that the body selects.",
    scope=Scope.WRITE,
    handler=_retry_all,
    request=DeadLetters,
    request_examples=examples.OF_TELEGRAM,
    response=OutboundsRetried,
    response_examples={HTTPStatus.OK: OutboundsRetried(12)},
)
OUTBOUND_DELETE = Route(
    method="DELETE",
    path="/api/outbound/{id}",
    summary="Take a message back that waits to be sent, or forget a dead letter.",
    scope=Scope.WRITE,
    handler=_remove,
    path_parameters={"id": examples.MESSAGE_ID},
    response=OutboundRemoved,
    response_examples={HTTPStatus.OK: OutboundRemoved(cancelled=True, deleted=False)},
    errors=(Failure.NOT_FOUND, Failure.CONFLICT),
)
OUTBOUND_DELETE_ALL = Route(
    method="POST",
    path="/api/dead-letters/delete",
    tag="outbound",
    summary="Forget dead letters: all, or those that the body selects.",
    scope=Scope.WRITE,
    handler=_delete_all,
    request=DeadLetters,
    request_examples=examples.OF_TELEGRAM,
    response=OutboundsDeleted,
    response_examples={HTTPStatus.OK: OutboundsDeleted(12)},
)
