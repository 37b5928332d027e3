"""Having a message answered by an agent, and telling how that ended."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from xopc.contracts.api.headers import IdempotencyHeaders
from xopc.contracts.api.messages import CONTENT
from xopc.contracts.errors import Failure, InvalidValueError, Problem, XopcError
from xopc.contracts.transcript import SILENT_REPLIES, RunResult, RunState
from xopc.core.sessions.turns import GOES_ON
from xopc.server.query import read_headers
from xopc.server.services import Services
from xopc.storage.path.base import API_KEY, Acceptance

WITHDRAW_SECONDS = 1.0

CUT_OFF = "The gateway restarts before the answer is complete. Send the message again."
ASK_AGAIN = "The gateway restarts before the answer is complete. Send the same again, with the same Idempotency-Key."
TO_THE_CHAT = (
    "The gateway restarts before the answer is complete. It goes to the chat afterwards; do not send it again."
)
ANSWER_IS_GONE = "What was answered under this Idempotency-Key was deleted since. Use a new key to ask again."

_STATUSES = {RunState.DONE: "ok", RunState.ABORTED: "aborted"}


def checked_content(content: str) -> str:
    """The text of a message.

    Raises:
        XopcError: INVALID_REQUEST: it is blank, or too long.
    """
    if CONTENT.takes(content):
        return content
    if not content.strip():
        raise XopcError(Failure.INVALID_REQUEST, "Invalid message content")
    problem = f"Invalid message content: it is longer than {CONTENT.most} characters."
    raise XopcError(Failure.INVALID_REQUEST, problem)


def idempotency_key(headers: Mapping[str, str], in_body: str | None) -> str | None:
    """The key of a request: its header, or the one in its body.

    Raises:
        InvalidValueError: both are there and differ, or the header holds none.
    """
    in_header = read_headers(headers, IdempotencyHeaders).idempotency_key
    if in_header is not None and in_body is not None and in_header != in_body:
        raise InvalidValueError(Problem("Idempotency-Key", "is not the idempotency_key of the body; send one of them"))
    return in_body if in_header is None else in_header


def dedupe_key(key: str | None, run_id: str) -> str:
    """What a message is known by: a key of the caller's own, or else nothing that comes again."""
    return f"api:run:{run_id}" if key is None else API_KEY + key


async def submit(services: Services, acceptance: Acceptance) -> str:
    """Accept a message, and return the id of its run: of a repeated one, the first one's.

    *Cancellation*: a bound message is forgotten, unless its turn has begun.

    Raises:
        XopcError: see `Inbox.submit`; and NOT_FOUND for a repeated one whose answer was deleted.
    """
    try:
        accepted = await services.inbox.submit(acceptance)
    except trio.Cancelled:
        await _withdraw(services, acceptance)
        raise
    if accepted.duplicate and await services.storage.result(accepted.run_id) is None:
        raise XopcError(Failure.NOT_FOUND, ANSWER_IS_GONE)
    return accepted.run_id


async def answer(services: Services, acceptance: Acceptance) -> RunResult:
    """Accept a message, and wait until its turn has ended.

    *Cancellation*: a bound message is forgotten, unless its turn has begun; the turn itself goes on.
    """
    run_id = await submit(services, acceptance)
    try:
        return await services.sessions.wait(run_id)
    except trio.Cancelled:
        await _withdraw(services, acceptance)
        raise
    except XopcError as error:
        if error.message == GOES_ON:  # by a run id that this caller was never told
            raise XopcError(Failure.UNAVAILABLE, _how_to_go_on(acceptance)) from None
        raise


def status_of(result: RunResult) -> str:
    """`ok`, `aborted` or `error`."""
    return _STATUSES.get(result.state, "error")


def succeeded(result: RunResult) -> str:
    """`ok` or `aborted`.

    Raises:
        XopcError: the run failed, took too long, or was interrupted.
    """
    if result.state is RunState.INTERRUPTED:
        problem = "The gateway's process died while the agent was at work. Send the message again."
        raise XopcError(Failure.AGENT_INTERRUPTED, problem)
    if result.timed_out:
        raise XopcError(Failure.AGENT_TIMED_OUT, result.error or "The agent took too long.")
    if result.state not in _STATUSES:
        raise XopcError(Failure.AGENT_FAILED, result.error or "The agent failed, and did not say why.")
    return _STATUSES[result.state]


def spoken(result: RunResult) -> str:
    """The reply; empty where the agent chose to say nothing."""
    return "" if result.reply.strip() in SILENT_REPLIES else result.reply


def _how_to_go_on(acceptance: Acceptance) -> str:
    if acceptance.request is not None:
        return ASK_AGAIN
    return CUT_OFF if acceptance.bound else TO_THE_CHAT


async def _withdraw(services: Services, acceptance: Acceptance) -> None:
    """The caller has gone, or is sent away: nobody waits for the answer of a bound message any more."""
    if acceptance.bound:
        with trio.move_on_after(WITHDRAW_SECONDS, shield=True):
            await services.storage.withdraw(acceptance.run_id)
