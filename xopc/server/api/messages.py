"""Messages to chats: through the outbox alone, or as if the chat had said something to the agent."""

from __future__ import annotations

from http import HTTPStatus
from uuid import uuid4

import trio

from xopc.contracts.api.headers import IdempotencyHeaders
from xopc.contracts.api.messages import MessageAnswered, MessageQueued, MessageRequest, SyncRequest
from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.messages import Inbound, Outbound
from xopc.contracts.openapi.operations import Link
from xopc.server.api import examples
from xopc.server.api.repeats import sync_request
from xopc.server.api.targets import address_of, peer_kind
from xopc.server.api.turns import answer, checked_content, dedupe_key, idempotency_key, spoken, succeeded
from xopc.server.routes import Call, Route
from xopc.storage.path.base import Acceptance


async def _send(call: Call[MessageRequest]) -> MessageQueued:
    body = call.body
    outbound = Outbound(
        address=address_of(body, call.services.channels),
        text=checked_content(body.content),
        reply_to=None if body.reply_to_message_id is None else str(body.reply_to_message_id),
        silent=body.silent,
        ttl_seconds=body.ttl_seconds,
    )
    message_id, _ = await call.services.outbox.enqueue(outbound, idempotency_key(call.headers, body.idempotency_key))
    return MessageQueued("ok", message_id)


async def _ask(call: Call[SyncRequest]) -> MessageAnswered:
    services, body = call.services, call.body
    address = address_of(body, services.channels)
    key = idempotency_key(call.headers, body.idempotency_key)
    run_id = str(uuid4())
    inbound = Inbound(
        address=address,
        peer_kind=peer_kind(address.channel, address.chat, services.channels),
        sender=address.chat,
        text=checked_content(body.content),
        dedupe_key=dedupe_key(key, run_id),
    )
    acceptance = Acceptance(
        inbound=inbound,
        session_key=str(services.route(inbound)),
        run_id=run_id,
        bound=key is None and not body.deliver,
        deliver=body.deliver,
        request=None if key is None else sync_request(body),
    )
    seconds = services.settings.agents.defaults.max_task_duration_ms / 1000
    with trio.move_on_after(seconds):
        result = await answer(services, acceptance)
        return MessageAnswered(succeeded(result), spoken(result))
    raise XopcError(Failure.AGENT_TIMED_OUT, f"The agent did not answer within {seconds:g} seconds.")


_AGENT_FAILURES = (Failure.AGENT_FAILED, Failure.AGENT_TIMED_OUT, Failure.AGENT_INTERRUPTED)

MESSAGE = Route(
    method="POST",
    path="/api/message",
    summary="Send a message to a chat: stored when it is answered, delivered after that.",
    scope=Scope.WRITE,
    handler=_send,
    headers=IdempotencyHeaders,
    request=MessageRequest,
    request_examples=examples.TO_A_CHAT,
    response=MessageQueued,
    response_examples={HTTPStatus.OK: examples.QUEUED},
    links=(
        Link("state", "GET /api/outbound/{id}", {"id": "$response.body#/message_id"}),
        Link("retry", "POST /api/outbound/{id}/retry", {"id": "$response.body#/message_id"}),
        Link("cancel", "DELETE /api/outbound/{id}", {"id": "$response.body#/message_id"}),
    ),
    errors=(Failure.CHANNEL_NOT_FOUND, Failure.CONFLICT),
)
MESSAGE_SYNC = Route(
    method="POST",
    path="/api/message/sync",
    summary="Have the agent answer a message as if it came from a chat, and wait for the answer.",
    scope=Scope.WRITE,
    handler=_ask,
    headers=IdempotencyHeaders,
    request=SyncRequest,
    request_examples=examples.TO_A_CHAT,
    response=MessageAnswered,
    response_examples={HTTPStatus.OK: examples.ANSWERED},
    errors=(Failure.CHANNEL_NOT_FOUND, Failure.NOT_FOUND, Failure.CONFLICT, *_AGENT_FAILURES),
)
