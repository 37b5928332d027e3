"""The broadcast events of the gateway, as a stream."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

from xopc.contracts.api.events import Closed, Connected, EventFilter, Resync, ShuttingDown
from xopc.contracts.api.headers import EventHeaders
from xopc.contracts.auth import Scope
from xopc.contracts.broadcasts import BROADCASTS
from xopc.contracts.errors import Failure
from xopc.contracts.frames import Frame
from xopc.core.hub import Subscription
from xopc.server.api import examples
from xopc.server.query import read_headers, read_query
from xopc.server.routes import Call, Route
from xopc.server.sse import EventStream

HEARTBEAT = b": ping\nevent: ping\ndata:\n\n"
MAX_SESSION_CHARS = 256

_CURSOR = re.compile(r"[!-~]{1,100}")


async def _events(call: Call[None]) -> EventStream:
    services, query = call.services, read_query(call.query, EventFilter)
    headers = read_headers(call.headers, EventHeaders)
    last_id = headers.last_event_id or query.last_event_id
    name = headers.session_id or query.session_id or str(uuid4())
    slots = services.event_streams
    slots.refuse_when_full(call.principal)
    # Whoever comes back and misses nothing keeps his cursor, although `connected` is no event of the hub.
    hello_id = last_id if last_id and _CURSOR.fullmatch(last_id) else "0"
    hello = Frame("connected", Connected(name[:MAX_SESSION_CHARS]), hello_id)

    @asynccontextmanager
    async def opened() -> AsyncGenerator[_Broadcast]:
        with slots.take(call.principal):
            async with services.hub.subscribe(types=query.types or None, last_id=last_id) as subscription:
                yield _Broadcast(subscription, hello)

    return EventStream(opened, HEARTBEAT)


class _Broadcast:
    def __init__(self, subscription: Subscription, hello: Frame) -> None:
        self._subscription = subscription
        self._hello: Frame | None = hello

    async def receive(self) -> Sequence[Frame]:
        if self._hello is not None:
            hello, self._hello = self._hello, None
            return [hello]
        events = await self._subscription.receive()
        return [event.frame for event in events]


EVENTS = Route(
    method="GET",
    path="/api/events",
    summary="What happens in the gateway, as a stream of server-sent events.",
    scope=Scope.READ,
    handler=_events,
    query=EventFilter,
    headers=EventHeaders,
    response=None,
    frames=(Connected, *BROADCASTS.values(), Resync, ShuttingDown, Closed),
    stream_example=examples.BROADCAST_EVENT,
    takes_token_in_query=True,
    errors=(Failure.TOO_MANY_CONNECTIONS,),
)
