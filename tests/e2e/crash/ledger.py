"""What was said, what the database remembers and what the platform got, and the verdict on it: pure, so that it is
tested itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from attrs import frozen

MOST_TIMES = 2
"""A message that was being sent when a process died is sent once more, and not again after that."""


@frozen
class Said:
    """One message of one caller."""

    text: str
    acknowledged: bool = True
    """False where the connection was cut before that, and its caller could not ask again: there or not there, both
    are right."""
    answers: Sequence[str] = ()
    """What the agent may say to it; of a message to a chat, none."""


@frozen
class Run:
    """What a transcript has of one turn."""

    question: str
    answers: Sequence[str]
    """The messages of the agent that call no tool."""
    is_whole: bool = True
    """Question, calls with their results, and answer stand together and in this order."""
    is_interrupted: bool = False
    """It was bound to a connection that a kill has cut."""
    is_parked: bool = False
    """Three processes died over it: it is given up, where that can be seen, and its chat is told."""


@frozen
class Row:
    """One message of the outbox."""

    parts: Sequence[str]
    state: str = "sent"
    is_marked: bool = False
    """As a possible duplicate, by the API."""
    is_told: bool = False
    """As a possible duplicate, in the log."""
    error: str | None = None
    """The kind of its last error, as the API spells it."""


@frozen
class Lane:
    """One chat: the rows that were stored for it, and what the platform got, both in their order."""

    name: str
    rows: Sequence[Row]
    delivered: Sequence[str]


def losses(name: str, said: Sequence[Said], found: Sequence[str]) -> Iterator[str]:
    """What is missing, repeated, out of order or made up, of what a caller said in this order."""
    for text, times in Counter(found).items():
        if times > 1:
            yield f"{name}: {text!r} is there {times} times"
    known = [one.text for one in said]
    yield from (f"{name}: nobody said {text!r}" for text in found if text not in set(known))
    yield from (f"{name}: {one.text!r} is lost" for one in said if one.acknowledged and one.text not in set(found))
    in_order = [text for text in known if text in set(found)]
    as_found = [text for text in dict.fromkeys(found) if text in set(known)]
    for due, came in zip(in_order, as_found, strict=True):
        if due != came:
            yield f"{name}: out of order, {came!r} came where {due!r} was due"
            break


def misanswered(name: str, said: Sequence[Said], runs: Sequence[Run]) -> Iterator[str]:
    """What is wrong with the turns of a session."""
    yield from losses(name, said, [run.question for run in runs])
    expected = {one.text: one for one in said}
    for run in runs:
        one = expected.get(run.question)
        if not run.is_whole:
            yield f"{name}: the turn of {run.question!r} is not in one piece"
        if one is None:
            continue
        if run.is_parked or (run.is_interrupted and not one.acknowledged):
            continue
        if len(run.answers) != 1:
            yield f"{name}: {run.question!r} has {len(run.answers)} answers: {list(run.answers)}"
        elif run.answers[0] not in one.answers:
            yield f"{name}: {run.question!r} is answered by {run.answers[0]!r}"


def misdelivered(lane: Lane) -> Iterator[str]:
    """What the platform got too often, without a mark, too early, or never."""
    arrivals = [(text, len(list(group))) for text, group in groupby(lane.delivered)]
    place = 0
    due = ((text, row) for row in lane.rows for text in row.parts)
    for text, group in groupby(due, key=lambda one: one[0]):
        times = 0
        if place < len(arrivals) and arrivals[place][0] == text:
            times = arrivals[place][1]
            place += 1
        rows = [row for _, row in group]
        for row, share in zip(rows, _shares(rows, times), strict=True):
            yield from _judge(lane.name, row, text, share)
    if place < len(arrivals):
        yield f"{lane.name}: {arrivals[place][0]!r} came where nothing or another message was due"


def repeats(lanes: Sequence[Lane]) -> int:
    """How many messages came again."""
    return sum((Counter(lane.delivered) - Counter(_parts(lane))).total() for lane in lanes)


def _parts(lane: Lane) -> Iterator[str]:
    """All that were to be sent, each once."""
    yield from (text for row in lane.rows for text in row.parts)


def _shares(rows: Sequence[Row], times: int) -> list[int]:
    """How often each of these rows came, which stand together and say the same, when all of them came so often."""
    shares = [0] * len(rows)
    by_need = sorted(range(len(rows)), key=lambda place: rows[place].state != "sent")
    for place in by_need:
        shares[place], times = (1, times - 1) if times else (0, 0)
    for place in by_need:
        if rows[place].is_marked and shares[place]:
            more = min(times, MOST_TIMES - 1)
            shares[place], times = shares[place] + more, times - more
    shares[0] += times
    return shares


def _judge(name: str, row: Row, text: str, times: int) -> Iterator[str]:
    if row.state not in ("sent", "dead"):
        yield f"{name}: {text!r} is left behind as {row.state}"
    if times == 0 and row.state == "sent":
        yield f"{name}: {text!r} counts as sent, and did not arrive in its place"
    if times > 1 and not (row.is_marked and row.is_told):
        where = " and ".join([*([] if row.is_marked else ["in the API"]), *([] if row.is_told else ["in the log"])])
        yield f"{name}: {text!r} came {times} times, and is not marked {where}"
    if times > MOST_TIMES:
        yield f"{name}: {text!r} came {times} times"
