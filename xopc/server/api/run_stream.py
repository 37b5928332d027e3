"""A run's events as frames: from its beginning or from where a client lost them, to its result."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, nullcontext

from xopc.contracts.api.messages import AgentResult, RunSummary
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.events import RunAccepted, payload
from xopc.contracts.frames import Frame
from xopc.contracts.transcript import RunResult, RunState
from xopc.core.sessions.runs import RunStream
from xopc.core.sessions.turns import GOES_ON
from xopc.server.api.turns import spoken, status_of
from xopc.server.services import Services
from xopc.server.sse import EventStream

_ACCEPTED = 1
"""The number of the frame before all events: the message is stored."""
_NUMBER = re.compile(r"[0-9]{1,16}")


async def attach(
    services: Services, run_id: str, *, session: str | None = None, last_id: str | None = None
) -> EventStream:
    """The stream of a run, behind the frame `last_id`; of one whose events are forgotten, its result alone.

    `session` is what the caller calls the run's session; None leaves it to the session's key.

    Raises:
        XopcError: NOT_FOUND: there is no such run, or its end is too long ago. UNAVAILABLE: this generation ends.
    """
    runs = services.runs
    if not runs.is_open(run_id):
        result = await services.sessions.attach(run_id)
        if run_id not in runs:
            if result.state is RunState.RUNNING:
                raise XopcError(Failure.UNAVAILABLE, GOES_ON)
            return EventStream(lambda: nullcontext(_Ended(result, session)))
    after = int(last_id) - _ACCEPTED if last_id and _NUMBER.fullmatch(last_id) else None

    @asynccontextmanager
    async def opened() -> AsyncGenerator[_RunFrames]:
        async with runs.follow(run_id, after) as stream:
            yield _RunFrames(run_id, stream, session)

    return EventStream(opened)


class _RunFrames:
    """The frames of a run's events: their numbers are one higher, because `accepted` comes before them all. It tells
    the client that what follows is said from its beginning."""

    def __init__(self, run_id: str, stream: RunStream, session: str | None) -> None:
        self._stream = stream
        self._session = session
        self._hello = [_accepted(run_id, self._last)] if stream.is_from_start else []
        self._has_ended = False

    @property
    def _last(self) -> int:
        """The number of the last frame that the client has."""
        return self._stream.position + _ACCEPTED

    async def receive(self) -> Sequence[Frame]:
        if self._hello:
            hello, self._hello = self._hello, []
            return hello
        if self._has_ended:
            return ()
        if events := await self._stream.receive():
            return [Frame(event.type, payload(event), str(number + _ACCEPTED)) for number, event in events]
        self._has_ended = True
        result = self._stream.result
        if result is None or result.state is RunState.RUNNING:
            return ()  # it goes on elsewhere, and its result is to come
        return [_result_frame(result, self._session, self._last + 1)]


class _Ended:
    """A run whose events are forgotten."""

    def __init__(self, result: RunResult, session: str | None) -> None:
        self._frames = [_accepted(result.run_id, _ACCEPTED), _result_frame(result, session, _ACCEPTED + 1)]

    async def receive(self) -> Sequence[Frame]:
        frames, self._frames = self._frames, []
        return frames


def _accepted(run_id: str, number: int) -> Frame:
    accepted = RunAccepted(run_id)
    return Frame(accepted.type, payload(accepted), str(number))


def _result_frame(result: RunResult, session: str | None, number: int) -> Frame:
    reply, status = spoken(result), status_of(result)
    told = AgentResult(
        payload=RunSummary(status, reply if result.error is None else result.error),
        status=status,
        reply=reply,
        session=session or result.session_key,
        session_key=result.session_key,
        run_id=result.run_id,
        usage=result.usage,
        model=result.model,
    )
    return Frame("result", told, str(number))
