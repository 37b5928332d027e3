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
_NUMBER = re.compile(r"[0-9]{1,9}")


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
    seen = int(last_id) if last_id and _NUMBER.fullmatch(last_id) else 0

    @asynccontextmanager
    async def opened() -> AsyncGenerator[_RunFrames]:
        async with runs.follow(run_id, max(0, seen - _ACCEPTED)) as stream:
            yield _RunFrames(run_id, stream, session, seen)

    return EventStream(opened)


class _RunFrames:
    """The frames of a run's events: their numbers are one higher, because `accepted` comes before them all."""

    def __init__(self, run_id: str, stream: RunStream, session: str | None, seen: int) -> None:
        self._accepted = _accepted(run_id)
        self._stream = stream
        self._session = session
        self._last = seen
        """The number of the last frame that the client has."""
        self._has_ended = False

    async def receive(self) -> Sequence[Frame]:
        if self._has_ended:
            return ()
        if self._last < _ACCEPTED:
            self._last = _ACCEPTED
            return [self._accepted]
        events = await self._stream.receive()
        if not events:
            self._has_ended = True
            result = self._stream.result
            if result is None or result.state is RunState.RUNNING:
                return ()  # it goes on elsewhere, and its result is to come
            return [_result_frame(result, self._session, self._last + 1)]
        frames = [Frame(event.type, payload(event), str(number + _ACCEPTED)) for number, event in events]
        if events[0][0] + _ACCEPTED <= self._last:  # the client counted with another process: it begins anew
            frames.insert(0, self._accepted)
        self._last = events[-1][0] + _ACCEPTED
        return frames


class _Ended:
    """A run whose events are forgotten."""

    def __init__(self, result: RunResult, session: str | None) -> None:
        self._frames = [_accepted(result.run_id), _result_frame(result, session, _ACCEPTED + 1)]

    async def receive(self) -> Sequence[Frame]:
        frames, self._frames = self._frames, []
        return frames


def _accepted(run_id: str) -> Frame:
    accepted = RunAccepted(run_id)
    return Frame(accepted.type, payload(accepted), str(_ACCEPTED))


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
