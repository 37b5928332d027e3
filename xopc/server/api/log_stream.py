"""The lines of the log as they are written, as a stream.

They are read from the files, so those of the supervisor are among them, and a client that reads slowly reads later
what others read now: nothing waits for it in memory.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from uuid import uuid4

import trio

from xopc.contracts.api.events import Connected, Resync, ShuttingDown
from xopc.contracts.api.logs import LogLine, LogStreamQuery
from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure
from xopc.contracts.frames import Frame
from xopc.core.hub import RESYNC, Subscription
from xopc.core.logs.follow import LogFollower
from xopc.core.logs.scan import in_thread
from xopc.server.api import examples
from xopc.server.api.events import HEARTBEAT
from xopc.server.query import read_query
from xopc.server.routes import Call, Route
from xopc.server.sse import EventStream

FOLLOW_SECONDS = 0.5
"""Between two looks at the files."""
_LEADS_NOWHERE = Resync("the id is of no line that is there")


async def _stream(call: Call[None]) -> EventStream:
    services, query = call.services, read_query(call.query, LogStreamQuery)
    services.event_streams.refuse_when_full(call.principal)
    follower = LogFollower(services.logs.directory, query)
    last_id = call.headers.get("last-event-id") or query.last_event_id
    is_found = await in_thread(partial(follower.start, last_id))
    greeting = [Frame("connected", Connected(str(uuid4())), follower.id)]
    if not is_found:
        greeting.append(Frame(RESYNC, _LEADS_NOWHERE, follower.id))

    @asynccontextmanager
    async def opened() -> AsyncGenerator[_Lines]:
        with services.event_streams.take(call.principal):
            async with services.hub.subscribe(types=()) as goodbye:
                yield _Lines(follower, goodbye, greeting)

    return EventStream(opened, HEARTBEAT)


class _Lines:
    def __init__(self, follower: LogFollower, goodbye: Subscription, greeting: Sequence[Frame]) -> None:
        """`goodbye` hears of nothing but the end."""
        self._follower = follower
        self._goodbye = goodbye
        self._greeting = greeting

    async def receive(self) -> Sequence[Frame]:
        if self._greeting:
            greeting, self._greeting = self._greeting, ()
            return greeting
        while self._goodbye.closed_because is None:
            followed = await in_thread(self._follower.read)
            if followed.lines:
                return [Frame("log", entry, line_id) for line_id, entry in followed.lines]
            if not followed.has_more:
                with trio.move_on_after(FOLLOW_SECONDS):
                    return await self._last_frames()
        return await self._last_frames()

    async def _last_frames(self) -> Sequence[Frame]:
        return [Frame(event.type, event.data) for event in await self._goodbye.receive()]


LOG_STREAM = Route(
    method="GET",
    path="/api/logs/stream",
    summary="The lines of the log as they are written, as a stream of server-sent events.",
    scope=Scope.READ,
    handler=_stream,
    query=LogStreamQuery,
    response=None,
    frames=(Connected, LogLine, Resync, ShuttingDown),
    stream_example=examples.LOG_EVENT,
    takes_token_in_query=True,
    errors=(Failure.TOO_MANY_CONNECTIONS,),
)
