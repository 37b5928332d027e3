"""What the reference shows of the outbox."""

from __future__ import annotations

from xopc.contracts.api.outbox import OutboundMessage, OutboundPage
from xopc.contracts.messages import ErrorClass, OutboxState
from xopc.contracts.openapi.operations import PathParameter

_AT = "2026-11-20T10:00:00.000Z"
_MESSAGE = "msg_019aa1b2-7c3d-7e4f-8a5b-0c1d2e3f4a5b"

MESSAGE_ID = PathParameter("What `POST /api/message` answered as `message_id`.", _MESSAGE)
DEAD_LETTER = OutboundMessage(
    id=_MESSAGE,
    channel="telegram",
    account_id="default",
    chat_id="123456",
    thread_id=None,
    content="Hello",
    state=OutboxState.DEAD,
    created_at=_AT,
    expires_at=None,
    settled_at=_AT,
    attempts=1,
    next_attempt_at=None,
    waits_for=None,
    parts_sent=0,
    platform_message_ids=(),
    last_error="chat not found",
    error_class=ErrorClass.PERMANENT,
    possible_duplicate=False,
)
DEAD_LETTERS = OutboundPage((DEAD_LETTER,), limit=50, has_more=False, next_cursor=None)
OF_TELEGRAM: dict[str, object] = {
    "of a channel": {"channel": "telegram"},
    "of a kind": {"channel": "telegram", "errorClass": "expired"},
}
