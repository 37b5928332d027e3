"""The tokens of runs as fewer events, for subscribers who read them slower than they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Any, cast

from attrs import evolve

from xopc.contracts.events import Event

AGENT_STREAM = "agent.stream"


def merged(events: Collection[Event]) -> deque[Event]:
    """The same events, with the tokens of each run as one where nothing else of the run came between them.

    The new one stands where the first stood, with its number, so that it is not behind what came after it in its
    run, and whoever comes back with that number misses nothing.
    """
    kept: list[Event] = []
    open_tokens: dict[str, int] = {}
    texts: dict[int, list[str]] = {}
    for event in events:
        run_id = _run_of(event)
        token = _token_of(event)
        place = open_tokens.get(run_id) if run_id is not None else None
        if token is not None and place is not None:
            if token.get("reset"):
                texts[place].clear()
                kept[place] = evolve(event, seq=kept[place].seq)
            texts[place].append(token["content"])
            continue
        if token is not None and run_id is not None:
            open_tokens[run_id] = len(kept)
            texts[len(kept)] = [token["content"]]
        elif run_id is not None:
            open_tokens.pop(run_id, None)
        kept.append(event)
    for place, parts in texts.items():
        whole = kept[place]
        stream = {**whole.data["event"], "content": "".join(parts)}
        kept[place] = evolve(whole, data={**whole.data, "event": stream})
    return deque(kept)


def _run_of(event: Event) -> str | None:
    return event.data.get("runId") if event.type == AGENT_STREAM else None


def _token_of(event: Event) -> dict[str, Any] | None:
    stream = event.data.get("event") if event.type == AGENT_STREAM else None
    if not isinstance(stream, dict):
        return None
    stream = cast("dict[str, Any]", stream)
    return stream if stream.get("type") == "token" else None
