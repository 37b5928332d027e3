"""Server-sent events as they travel.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
from functools import cached_property

import structlog
from attrs import frozen
from structlog.typing import FilteringBoundLogger

from xopc.contracts.convert import unstructure

_log: FilteringBoundLogger = structlog.get_logger("xopc.server")


@frozen
class Frame:
    """One event of a stream."""

    event: str
    data: object
    """A value of the contracts, or JSON."""
    id: str | None = None

    @cached_property
    def encoded(self) -> bytes:
        """The frame as it travels, made once for all who get it.

        Data that JSON cannot carry becomes an error of its own: none ends a stream.
        """
        lines = [f"event: {self.event}", f"data: {_json(self.event, self.data)}", "", ""]
        if self.id is not None:
            lines.insert(0, f"id: {self.id}")
        # Half a surrogate pair has no UTF-8; the escape that stands in for it is JSON.
        return "\n".join(lines).encode(errors="backslashreplace")


def _json(event: str, data: object) -> str:
    try:
        return _dumps(unstructure(data))
    except (TypeError, ValueError, RecursionError) as error:
        _log.warn("An event could not be sent as JSON.", event_type=event, error=str(error))
        return _dumps({"type": event, "error": "sse_payload_serialize_failed", "message": str(error)})


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
