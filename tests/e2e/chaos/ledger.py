"""What clients saw and what was done to the gateway, and the verdict on both: pure, so that it is tested itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum

from attrs import field, frozen

SLACK_SECONDS = 0.02
"""Between a signal and its effect, and between two clocks that are read one after the other."""
AFTERMATH_SECONDS = 2.0
"""How long a client may take to notice what was over when the gateway was well again."""


class Kind(Enum):
    """What can be done to a gateway."""

    IN_PROCESS = "in-process restart"
    RESPAWN = "respawn"
    CRASH = "crash"
    ORPHANED = "killed supervisor"
    HUNG = "hung event loop"
    CANNOT_START = "child that cannot start"
    UPGRADE = "failing upgrade"


@frozen
class Disturbance:
    """One of them, from before it was done until the gateway was well again. Times are of the monotonic clock."""

    kind: Kind
    how: str
    began: float
    ended: float
    cut_at: float | None = None
    """When a process that was serving did its last work: what it had in its hands then may be torn."""
    is_refusing: bool = False
    """Whether nobody listened in between, so that any failure is excused."""


class Outcome(Enum):
    """How a request ended."""

    ANSWERED = "answered"
    CLOSED = "closed"
    """A kept-alive connection ended before any byte of the answer: its client asks again on a new one."""
    AWAY = "sent away"
    """503 for a turn, which the documentation tells the client to repeat."""
    REFUSED = "refused"
    TORN = "torn"
    """A new connection that ended before the answer did, or any that ended within it."""
    WRONG = "wrong"
    """A whole answer, but not the one to this request."""
    SILENT = "silent"
    """No answer in time."""

    @property
    def is_failure(self) -> bool:
        return self not in (Outcome.ANSWERED, Outcome.CLOSED, Outcome.AWAY)


@frozen
class Request:
    """One request of one client."""

    client: str
    began: float
    ended: float
    outcome: Outcome
    detail: str = ""
    is_turn: bool = False
    """Whether a model had to answer: how long that takes is no matter of restarts."""

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@frozen
class Stream:
    """One subscription to the events, from its greeting to its end."""

    began: float
    ended: float
    said_shutdown: bool
    is_whole: bool
    """Whether it ended as chunked streams do."""


@frozen
class Delivery:
    """One message as the platform got it."""

    text: str
    at: float
    """Seconds since the epoch, rounded down."""


@frozen
class Lane:
    """What one sender said to one address, and what came of it."""

    name: str
    acknowledged: Sequence[str]
    """In the order of sending."""
    delivered: Sequence[Delivery]
    may_repeat: bool = True
    """Whether the end of a process may leave it unknown whether something was delivered."""


@frozen
class Ledger:
    """All that happened in one run. Lists are appended to by the threads that see it happen."""

    requests: list[Request] = field(factory=list[Request])
    streams: list[Stream] = field(factory=list[Stream])
    disturbances: list[Disturbance] = field(factory=list[Disturbance])

    def count(self, outcome: Outcome) -> int:
        return sum(request.outcome is outcome for request in self.requests)

    def longest_waits(self) -> dict[Kind, list[float]]:
        """For each disturbance the longest wait of a client that was answered, of those that touched it.

        A wait that reaches into a second disturbance counts for the first.
        """
        longest = dict.fromkeys(self.disturbances, 0.0)
        for request in self.requests:
            if request.outcome is Outcome.ANSWERED and not request.is_turn:
                first = next((one for one in self.disturbances if _overlaps(request, one)), None)
                if first is not None:
                    longest[first] = max(longest[first], request.seconds)
        return {kind: [wait for one, wait in longest.items() if one.kind is kind] for kind in Kind}


def failures(ledger: Ledger) -> Iterator[str]:
    """What no disturbance excuses."""
    for request in ledger.requests:
        if request.outcome.is_failure and not any(_excuses(one, request) for one in ledger.disturbances):
            yield f"{request.client}: {request.outcome.value} {request.detail} {_place(request, ledger)}"
    for stream in ledger.streams:
        told = stream.said_shutdown and stream.is_whole
        if not told and not any(_excuses_end(one, stream) for one in ledger.disturbances):
            what = "was torn" if stream.said_shutdown else "ended without a word of shutdown"
            yield f"subscriber: the stream {what} {_place(stream, ledger)}"


def losses(lane: Lane, cuts: Sequence[tuple[float, float]]) -> Iterator[str]:
    """What is missing, out of order or repeated. `cuts` is when processes died: from, to, in seconds of the epoch."""
    firsts: dict[str, float] = {}
    for delivery in lane.delivered:
        if delivery.text not in firsts:
            firsts[delivery.text] = delivery.at
            continue
        died = any(firsts[delivery.text] <= to and delivery.at + 1 >= since for since, to in cuts)
        if not (lane.may_repeat and died):
            yield f"{lane.name}: {delivery.text!r} was delivered twice"
    missing = [text for text in lane.acknowledged if text not in firsts]
    if missing:
        yield f"{lane.name}: {len(missing)} of {len(lane.acknowledged)} acknowledged messages are lost: {missing[:5]}"
    present = [text for text in lane.acknowledged if text in firsts]
    in_order = [text for text in firsts if text in set(present)]
    if in_order != present:
        wrong = next(pair for pair in zip(present, in_order, strict=True) if pair[0] != pair[1])
        yield f"{lane.name}: out of order, {wrong[1]!r} came where {wrong[0]!r} was due"


def _excuses(disturbance: Disturbance, request: Request) -> bool:
    if disturbance.is_refusing:
        return _overlaps(request, disturbance)
    return request.outcome is Outcome.TORN and _was_cut(disturbance, request)


def _excuses_end(disturbance: Disturbance, stream: Stream) -> bool:
    return _overlaps(stream, disturbance) if disturbance.is_refusing else _was_cut(disturbance, stream)


def _was_cut(disturbance: Disturbance, seen: Request | Stream) -> bool:
    """Whether it was in the hands of a process that died."""
    cut_at = disturbance.cut_at
    if cut_at is None or seen.began > cut_at + SLACK_SECONDS:
        return False
    return cut_at - SLACK_SECONDS <= seen.ended <= disturbance.ended + AFTERMATH_SECONDS


def _overlaps(seen: Request | Stream, disturbance: Disturbance) -> bool:
    return seen.began <= disturbance.ended and seen.ended >= disturbance.began


def _place(seen: Request | Stream, ledger: Ledger) -> str:
    """During which disturbance, and how far into it."""
    for one in ledger.disturbances:
        if _overlaps(seen, one):
            since = f"{seen.began - one.began:+.3f} s to {seen.ended - one.began:+.3f} s"
            return f"during {one.kind.value} ({one.how}), {since} of {one.ended - one.began:.3f} s"
    return "in quiet times"
