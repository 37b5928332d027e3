"""Talking to an agent: at once, as a stream, and back to a stream that was lost."""

from __future__ import annotations

from http import HTTPStatus
from uuid import uuid4

from xopc.contracts.api.headers import IdempotencyHeaders, ResumeHeaders
from xopc.contracts.api.messages import (
    AbortOutcome,
    AgentAnswer,
    AgentRequest,
    AgentResult,
    BusyPolicy,
    RunAborted,
    RunRequest,
)
from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.events import MessageEnd, Progress, RunAccepted, RunError, Token, ToolEnd, ToolStart
from xopc.contracts.messages import Inbound
from xopc.contracts.openapi.operations import Link
from xopc.core.sessions.sessions import NOT_BEGUN
from xopc.server.api import examples
from xopc.server.api.repeats import agent_request
from xopc.server.api.run_stream import attach
from xopc.server.api.targets import Target, check_model, named_session, session_target
from xopc.server.api.turns import answer, checked_content, dedupe_key, idempotency_key, spoken, submit, succeeded
from xopc.server.query import read_headers
from xopc.server.routes import Call, Route
from xopc.server.sse import EventStream
from xopc.storage.path.base import Acceptance

_BUSY = "The agent is at work in this session. Wait, or leave onBusy out to queue."


async def _agent(call: Call[AgentRequest]) -> AgentAnswer | EventStream:
    services, body = call.services, call.body
    target = session_target(body, services.settings.agents)
    acceptance = _acceptance(call, target)
    is_busy = body.on_busy is BusyPolicy.REJECT and services.sessions.is_busy(acceptance.session_key)
    if (is_busy or body.model) and await services.inbox.known(acceptance) is None:
        check_model(body.model, services.why_no_model)
        if is_busy:
            raise XopcError(Failure.CONFLICT, _BUSY)
    if call.wants_stream:
        return await _stream(call, acceptance, target)
    result = await answer(services, acceptance)
    return AgentAnswer(
        status=succeeded(result),
        reply=spoken(result),
        session=_name(call, target, is_first=result.run_id == acceptance.run_id) or result.session_key,
        session_key=result.session_key,
        run_id=result.run_id,
        usage=result.usage,
        model=result.model,
    )


def _acceptance(call: Call[AgentRequest], target: Target) -> Acceptance:
    body = call.body
    run_id = str(uuid4())
    key = idempotency_key(call.headers, body.idempotency_key)
    inbound = Inbound(
        address=target.address,
        peer_kind=target.kind,
        sender=target.chat,
        text=checked_content(body.message),
        dedupe_key=dedupe_key(key, run_id),
    )
    return Acceptance(
        inbound=inbound,
        session_key=str(target.key),
        run_id=run_id,
        bound=key is None,
        deliver=False,
        model=body.model,
        request=None if key is None else agent_request(body),
    )


async def _stream(call: Call[AgentRequest], acceptance: Acceptance, target: Target) -> EventStream:
    services = call.services
    run_id = await submit(services, acceptance)
    if acceptance.bound:
        await services.storage.keep(run_id)  # from here on the caller may know it, and ask for it again
        if services.sessions.is_draining and await services.storage.result(run_id) is None:
            raise XopcError(Failure.UNAVAILABLE, NOT_BEGUN)
    return await attach(services, run_id, session=_name(call, target, is_first=run_id == acceptance.run_id))


def _name(call: Call[AgentRequest], target: Target, *, is_first: bool) -> str | None:
    """What the caller calls the session; None of one that was made up for him when he asked the first time."""
    return target.name if is_first or not call.body.new_session else None


async def _resume(call: Call[RunRequest]) -> EventStream:
    last_id = read_headers(call.headers, ResumeHeaders).last_event_id
    run_id = await _run_of(call)
    if run_id is None:
        raise XopcError(Failure.NOT_FOUND, "The agent is not at work in this session.")
    return await attach(call.services, run_id, last_id=last_id)


async def _abort(call: Call[RunRequest]) -> RunAborted:
    run_id = await _run_of(call)
    return RunAborted(AbortOutcome(run_id is not None and call.services.sessions.abort(run_id)))


async def _run_of(call: Call[RunRequest]) -> str | None:
    """The run that is named, or the one that the named session is at."""
    services, body = call.services, call.body
    if body.run_id:
        return body.run_id
    return await services.storage.active_run(named_session(body.session, services.settings.agents))


_FRAMES = (RunAccepted, Progress, Token, ToolStart, ToolEnd, MessageEnd, RunError, AgentResult)

AGENT = Route(
    method="POST",
    path="/api/agent",
    summary="Say something to an agent: the answer whole, or as a stream for `Accept: text/event-stream`.",
    scope=Scope.WRITE,
    handler=_agent,
    headers=IdempotencyHeaders,
    request=AgentRequest,
    request_examples=examples.TO_THE_AGENT,
    response=AgentAnswer,
    response_examples={HTTPStatus.OK: examples.AGENT_ANSWER},
    frames=_FRAMES,
    stream_example=examples.RUN_EVENT,
    links=(
        Link("session", "GET /api/sessions/{key}", {"key": "$response.body#/sessionKey"}),
        Link("forget", "DELETE /api/sessions/{key}", {"key": "$response.body#/sessionKey"}),
        Link("resume", "POST /api/agent/resume", body={"runId": "$response.body#/runId"}),
        Link("abort", "POST /api/agent/abort", body={"runId": "$response.body#/runId"}),
    ),
    errors=(
        Failure.NOT_FOUND,
        Failure.CONFLICT,
        Failure.AGENT_FAILED,
        Failure.AGENT_TIMED_OUT,
        Failure.AGENT_INTERRUPTED,
    ),
)
AGENT_RESUME = Route(
    method="POST",
    path="/api/agent/resume",
    summary="The stream of a run once more: what there was, then what comes.",
    scope=Scope.WRITE,
    handler=_resume,
    headers=ResumeHeaders,
    request=RunRequest,
    request_examples=examples.RUN_OF,
    response=None,
    frames=_FRAMES,
    stream_example=examples.RUN_EVENT,
    errors=(Failure.NOT_FOUND,),
)
AGENT_ABORT = Route(
    method="POST",
    path="/api/agent/abort",
    summary="Stop a run; what there is of its answer is kept.",
    scope=Scope.WRITE,
    handler=_abort,
    request=RunRequest,
    request_examples=examples.RUN_OF,
    response=RunAborted,
    response_examples={HTTPStatus.OK: examples.ABORTED},
)
