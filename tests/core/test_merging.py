from __future__ import annotations

from typing import Any

from xopc.contracts.events import Event
from xopc.core.merging import AGENT_STREAM, merged

KEY = "a:b:c:d:e"


def stream(seq: int, run_id: str, event: object) -> Event:
    return Event(AGENT_STREAM, {"sessionKey": KEY, "runId": run_id, "event": event}, seq, "boot")


def token(seq: int, content: str, run_id: str = "r1", **more: Any) -> Event:  # noqa: ANN401  JSON
    return stream(seq, run_id, {"type": "token", "content": content, **more})


def test_the_tokens_of_each_run_become_one_where_the_first_stood() -> None:
    other = Event("session.updated", {}, 3, "boot")
    events = [token(1, "a"), token(2, "x", "r2"), other, token(4, "b"), token(5, "y", "r2")]
    assert list(merged(events)) == [token(1, "ab"), token(2, "xy", "r2"), other]


def test_what_else_a_run_says_stays_between_its_tokens() -> None:
    end = stream(2, "r1", {"type": "message_end"})
    assert list(merged([token(1, "a"), end, token(3, "b"), token(4, "c")])) == [token(1, "a"), end, token(3, "bc")]


def test_a_reset_takes_the_place_of_what_was_said_and_leaves_that_as_it_was() -> None:
    first, again, more = token(1, "wrong"), token(3, "right", reset=True), token(4, "!")
    update = Event("session.updated", {}, 2, "boot")
    whole, kept = merged([first, update, again, more])
    assert whole.data["event"] == {"type": "token", "content": "right!", "reset": True}
    # Whoever breaks off behind it and comes back with its number is still given the update.
    assert (whole.id, kept) == ("boot-1", update)
    assert (first, again, more) == (token(1, "wrong"), token(3, "right", reset=True), token(4, "!"))


def test_what_has_no_shape_that_is_known_is_left_as_it_is() -> None:
    odd = [stream(1, "r1", "odd"), Event(AGENT_STREAM, {}, 2, "boot"), token(3, "a"), stream(4, "r1", {"type": "?"})]
    assert list(merged(odd)) == odd
