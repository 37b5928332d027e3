"""The headers that operations of the API read, beside those of HTTP itself."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import matches_re, optional

from xopc.contracts.convert import spelled

IDEMPOTENCY_KEY = optional(matches_re(r"[!-~]([ -~]{0,253}[!-~])?"))
"""1 to 255 printable characters of ASCII, without blanks at its ends: the same in a header as in a body."""


@frozen
class IdempotencyHeaders:
    """Of what may be sent again without doubt."""

    idempotency_key: str | None = field(default=None, validator=IDEMPOTENCY_KEY, metadata=spelled("Idempotency-Key"))
    """Names this request: sent again with the same key, it is taken once, and answered as the first time. Another
    request with the same key is refused. Until a day after the end of the work."""


@frozen
class ResumeHeaders:
    """Of a stream that is asked for again."""

    last_event_id: str | None = field(default=None, metadata=spelled("Last-Event-ID"))
    """The `id` of the last event that the client has; the stream goes on behind it."""


@frozen
class EventHeaders(ResumeHeaders):
    """Of `GET /api/events`."""

    session_id: str | None = field(default=None, metadata=spelled("X-Session-Id"))
    """Names the subscriber, to itself. Default: a new UUID."""
