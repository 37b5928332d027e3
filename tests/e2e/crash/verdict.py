"""From what callers said and what can be found out about it afterwards to the complaints."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from attrs import frozen

from tests.e2e.crash.callers import Caller
from tests.e2e.crash.ledger import Lane, Row, losses, misanswered, misdelivered
from tests.e2e.crash.site import Records, Site
from tests.e2e.crash.timers import Timer
from tests.e2e.crash.timetable import attempts, misfired, owed
from xopc.contracts.cron import JobRun, StoredJob

SETTLE_SECONDS = 60
"""For anything more to be answered or sent, once the last process lives: a retry may wait for 30 s."""

LOOK_SECONDS = 0.05


Jobs: TypeAlias = Mapping[str, tuple[StoredJob, Sequence[JobRun]]]
"""By name: all jobs, and their runs."""


@frozen
class Findings:
    """What came of it all."""

    complaints: list[str]
    lanes: list[Lane]
    """All chats."""
    jobs: Jobs


def settle(site: Site, callers: Sequence[Caller], timers: Sequence[Timer] = ()) -> Findings:
    """Wait until nothing is under way, and find out."""
    complaints = list(_wait(site))
    records = site.records()
    chats = [place for caller in callers if caller.is_chat for place in caller.said]
    lanes = _lanes(site, records, [*chats, *(timer.chat for timer in timers)])
    complaints += (f"the bell rang {times} times for {text!r}" for text, times in _repeated(site.rings()))
    for caller in callers:
        complaints += complaints_about(caller, records)
    for timer in timers:
        complaints += complaints_about_a_job(timer, records)
    for lane in lanes:
        complaints += misdelivered(lane)
    return Findings(complaints, lanes, {timer.name: records.jobs[timer.name] for timer in timers})


def complaints_about(caller: Caller, records: Records) -> Iterator[str]:
    """What became of what one caller said."""
    source = "telegram" if caller.is_chat else "webchat"
    for place, said in caller.said.items():
        name = f"{caller.name} in {place}"
        rows = records.rows.get(place, ())
        if caller.has_turns:
            runs = records.runs.get((source, place), ())
            yield from misanswered(name, said, runs)
            if caller.is_chat and [answer for run in runs for answer in run.answers] != list(_texts(rows)):
                yield f"{name}: the answers of the session are not the messages to the chat, one by one and in order"
        else:
            yield from losses(name, said, list(_texts(rows)))


def complaints_about_a_job(timer: Timer, records: Records) -> Iterator[str]:
    """What became of one job."""
    stored, firings = records.jobs[timer.name]
    job = stored.job
    yield from misfired(timer.name, job, firings, timer.stopped_at, timer.end)
    told, due = list(_texts(records.rows.get(timer.chat, ()))), owed(job, firings, timer.answer)
    if told != due:
        yield f"{timer.name}: {len(firings)} runs owe the chat {len(due)} messages, and it has {len(told)}: {told}"
    turns = records.runs.get(("cron", job.id), ())
    if len(turns) != attempts(firings):
        yield f"{timer.name}: {attempts(firings)} attempts have {len(turns)} turns"
    for turn in turns:
        wrong = [] if turn.is_parked else [answer for answer in turn.answers if answer != timer.answer]
        if not turn.is_whole or wrong or turn.question != timer.text:
            yield f"{timer.name}: a turn is {turn}"


def _lanes(site: Site, records: Records, chats: Sequence[str]) -> list[Lane]:
    got: dict[str, list[str]] = {}
    for message in site.world.messages():
        got.setdefault(str(message["chat"]), []).append(message["text"])
    return [Lane(f"chat {chat}", records.rows.get(chat, ()), got.get(chat, ())) for chat in chats]


def _wait(site: Site) -> Iterator[str]:
    """Wait until everything has come in, then been answered, then gone out, for as long as it goes on."""
    before, deadline = (-1, -1, -1, -1), 0.0
    while any(now := (len(site.world.unconfirmed()), *site.under_way())):
        if now != before:
            before, deadline = now, time.monotonic() + SETTLE_SECONDS
        if time.monotonic() > deadline:
            what = "nothing moves: {} messages are not read, {} have no answer, {} are not sent, {} jobs are not run"
            yield what.format(*now)
            return
        time.sleep(LOOK_SECONDS)


def _texts(rows: Sequence[Row]) -> Iterator[str]:
    yield from ("\n\n".join(row.parts) for row in rows)


def _repeated(texts: Sequence[str]) -> Iterator[tuple[str, int]]:
    return ((text, times) for text, times in Counter(texts).items() if times > 1)
