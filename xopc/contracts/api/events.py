"""What `GET /api/events` takes and gives, beside the broadcast events themselves."""

from __future__ import annotations

from attrs import frozen


@frozen
class EventFilter:
    """The query of `GET /api/events`."""

    types: tuple[str, ...] = ()
    """Only events of these types. Default: all."""
    session_id: str | None = None
    """Names the subscriber, to itself; the header `X-Session-Id` does, too. Default: a new UUID."""
    last_event_id: str | None = None
    """As the header `Last-Event-ID`, for clients that can set none."""


@frozen
class Connected:
    """`connected`: the first event of every stream."""

    session_id: str


@frozen
class Resync:
    """`resync`: there were events that cannot be had any more. Read anew what you show."""

    reason: str


@frozen
class ShuttingDown:
    """`shutdown`: the stream ends, because the gateway stops or restarts."""

    reason: str
    restart_expected_ms: int | None
    """When to connect again; null where it does not come back by itself."""


@frozen
class Closed:
    """`closed`: the stream ends, because it is read too slowly. Connect again with the last id, for what is missing."""

    reason: str
