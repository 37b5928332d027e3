"""The way of a message: where it was when, and what became of it."""

from __future__ import annotations

from http import HTTPStatus

from xopc.contracts.api.trace import StepKind, Trace, Traces, TraceStep
from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.openapi.operations import PathParameter
from xopc.core.logs.scan import in_steps
from xopc.core.tracing import traced
from xopc.server.routes import Call, Route


async def _trace(call: Call[None]) -> Traces:
    wanted = call.path["id"]
    found = await call.services.ways(wanted)
    traces = await in_steps(traced(found, wanted, call.services.logs.directory))
    if not traces.traces:
        raise XopcError(
            Failure.NOT_FOUND,
            "No message has this id: give that of a run, of a message of the outbox, or a platform's. What was "
            "answered is known for a day, and then by the log alone.",
        )
    return traces


_RUN_ID = "0b6f1c2e-5d1a-4f7e-9a63-2f4c8f3f0f11"
_MESSAGE_ID = "msg_019ab1c2-7d00-7a3b-8c4d-5e6f70819a2b"
_EXAMPLE = Traces(
    (
        Trace(
            run_id=_RUN_ID,
            session_key="main:telegram:default:dm:4711",
            dedupe_key="telegram:default:update:815",
            message_ids=(_MESSAGE_ID,),
            state="done",
            total_ms=2140,
            steps=(
                TraceStep(
                    "2026-11-20T10:00:00.000Z",
                    StepKind.ACCEPTED,
                    "Accepted from telegram",
                    None,
                    {"channel": "telegram", "accountId": "default", "chatId": "4711", "platformMessageId": "17"},
                ),
                TraceStep(
                    "2026-11-20T10:00:02.140Z",
                    StepKind.SENT,
                    f"{_MESSAGE_ID} was sent to telegram at attempt 1",
                    2140,
                    {"messageId": _MESSAGE_ID, "attempts": 1, "platformMessageIds": ["18"]},
                ),
            ),
        ),
    ),
    is_log_complete=True,
)

TRACE = Route(
    method="GET",
    path="/api/trace/{id}",
    summary="The way of a message, by any of its ids.",
    scope=Scope.READ,
    handler=_trace,
    path_parameters={"id": PathParameter("The id of a run, of a message of the outbox, or a platform's.", _RUN_ID)},
    response=Traces,
    response_examples={HTTPStatus.OK: _EXAMPLE},
    errors=(Failure.NOT_FOUND,),
    tag="logs",
)
