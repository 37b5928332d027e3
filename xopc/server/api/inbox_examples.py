"""What the reference shows of the inbox: a message that could not be answered."""

from __future__ import annotations

from xopc.contracts.api.inbox import InboxMessage, InboxPage
from xopc.contracts.messages import InboxState
from xopc.contracts.openapi.operations import PathParameter

_AT = "2026-11-20T10:00:00.000Z"
_RUN = "0f6c2c6e-8f0e-4c55-9a3b-0e3c1c0a7a11"

RUN_ID = PathParameter("The id of its run, as `GET /api/inbox` lists it.", _RUN)
PARKED = InboxPage(
    (
        InboxMessage(
            run_id=_RUN,
            session_key="main:main:default:dm:main",
            channel="telegram",
            account_id="default",
            chat_id="123456",
            thread_id=None,
            sender="123456",
            content="Hello",
            state=InboxState.PARKED,
            deliver=True,
            accepted_at=_AT,
            attempts=3,
            last_error="The gateway's process died in the middle of it.",
            parked_at=_AT,
        ),
    ),
    limit=50,
    has_more=False,
    next_cursor=None,
)
