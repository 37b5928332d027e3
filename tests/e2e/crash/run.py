"""One run: kills at random instants and at random steps, callers that never stop, and the verdict on all of it."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from attrs import define, field, frozen

from tests.e2e.chaos.observers import descriptors, leaked, settled_pss_kb
from tests.e2e.crash.callers import Caller, crowd
from tests.e2e.crash.deaths import WAYS, Kind
from tests.e2e.crash.ledger import Lane, repeats
from tests.e2e.crash.site import Site, site
from tests.e2e.crash.timers import every, timers
from tests.e2e.crash.timetable import passed_over
from tests.e2e.crash.verdict import Jobs, settle
from xopc.contracts.cron import JobRun, StoredJob
from xopc.contracts.messages import ErrorClass

DESCRIPTOR_SLACK = 4
"""Of the child: connections that are kept for the next use, and sockets of callers that have just left."""
PSS_RATIO = 1.5
"""Of the child at the end to the first one: its database is larger by then, and more chats are known."""
SUPERVISOR_RATIO = 1.1
TROUBLE = 0.3
"""How probable each kind of it is between two kills."""
FIRST_JOB = 2_000_000
"""The number of the chat of the first one."""
PERIOD_SECONDS = 5
"""Of a job, where there are fewer kills than `MANY_KILLS`; a history holds only so many runs."""
MANY_KILLS = 200
LONG: Mapping[Kind, int] = {
    Kind.INSTANT: 6,
    Kind.STEP: 9,
    Kind.TWICE: 2,
    Kind.START: 1,
    Kind.RESTART: 1,
    Kind.HAND_OVER: 1,
}
"""How often one comes, compared with the others."""
QUICK = (Kind.INSTANT, Kind.STEP, Kind.TWICE, Kind.START, Kind.RESTART, Kind.HAND_OVER)
DEATHS: Mapping[Kind, int] = {Kind.TWICE: 2, Kind.START: 2}
"""More than one."""


@frozen
class Kill:
    """One death."""

    kind: Kind
    where: str
    recovery_seconds: float
    """From the death to the first answer of the next process that is well."""


@define
class Run:
    """What came of a run."""

    seed: int
    kills: list[Kill] = field(factory=list[Kill])
    complaints: list[str] = field(factory=list[str])
    lanes: Sequence[Lane] = ()
    jobs: Jobs = field(factory=dict[str, tuple[StoredJob, Sequence[JobRun]]])
    refusals: int = 0
    """How many messages the platform was told to refuse."""
    said: int = 0
    acknowledged: int = 0
    seconds: float = 0.0
    pss_kb: dict[str, tuple[int, int]] = field(factory=dict[str, tuple[int, int]])
    """By process: of the first and of the last."""


def run(seed: int, kinds: Sequence[Kind], callers: int, pause: tuple[float, float], output: TextIO) -> Run:
    """One run, told to `output` as it goes. `pause` is the shortest and the longest time between two messages of a
    caller. Nothing of it is left when it returns."""
    done = Run(seed)
    dice = _dice(seed)
    with tempfile.TemporaryDirectory(prefix="crash") as directory, site(Path(directory)) as here:
        here.gateway.wait_until_ready()
        talkers = crowd(callers, here.gateway.port, here.world, pause)
        talkers[0].act()  # whatever opens something that stays open has done so
        here.renew()
        began, before = time.monotonic(), _sizes(here)
        jobs = timers(FIRST_JOB, here.gateway.port, here.world)
        for job in jobs:
            job.start(every(PERIOD_SECONDS * (1 + len(kinds) // MANY_KILLS)))
        for caller in talkers:
            caller.start()
        _kill_again_and_again(here, done, kinds, dice, output)
        done.complaints += _finish(talkers)
        for job in jobs:
            job.finish()
        found = settle(here, talkers, jobs)
        done.lanes, done.jobs, done.refusals = found.lanes, found.jobs, here.refusals
        done.complaints += [*found.complaints, *_undeserved(done)]
        said = [one for caller in talkers for said in caller.said.values() for one in said]
        done.said, done.acknowledged = len(said), sum(one.acknowledged for one in said)
        here.renew()
        done.complaints += _growth(here, before, done)
        done.seconds = time.monotonic() - began
    return done


def figures(done: Run) -> dict[str, Any]:
    """What a run measured."""
    kinds = Counter(kill.kind.value for kill in done.kills)
    return {
        "seed": done.seed,
        "seconds": round(done.seconds),
        "kills": {"all": len(done.kills), **kinds},
        "steps": dict(sorted(Counter(kill.where for kill in done.kills if kill.where).items())),
        "messages": {
            "said": done.said,
            "acknowledged": done.acknowledged,
            "delivered": sum(len(lane.delivered) for lane in done.lanes),
            "delivered_again": repeats(done.lanes),
            "dead_letters": _dead_letters(done.lanes),
            "refused_on_purpose": done.refusals,
            "marked": sum(row.is_marked for lane in done.lanes for row in lane.rows),
        },
        "jobs": {name: _punctuality(*job) for name, job in done.jobs.items()},
        "recovery_seconds": _spread([kill.recovery_seconds for kill in done.kills if kill.kind is not Kind.TWICE]),
        "recovery_seconds_of_two_in_a_row": _spread(
            [kill.recovery_seconds for kill in done.kills if kill.kind is Kind.TWICE]
        ),
        "pss_mb": {name: [round(kb / 1024, 1) for kb in sizes] for name, sizes in done.pss_kb.items()},
        "complaints": len(done.complaints),
    }


def plan(seed: int, kills: int) -> list[Kind]:
    """Kinds of so many deaths."""
    dice, kinds, left = _dice(seed), list[Kind](), kills
    while left > 0:
        kinds += dice.choices(list(LONG), list(LONG.values()))
        left -= DEATHS.get(kinds[-1], 1)
    return kinds


def _dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - it plays fate, and hides nothing


def _kill_again_and_again(here: Site, done: Run, kinds: Sequence[Kind], dice: random.Random, output: TextIO) -> None:
    for kind in kinds:
        _trouble(here, dice)
        time.sleep(dice.uniform(0, 1))
        here.until_steady()
        boot = here.until_served()
        where, damage, died_at = WAYS[kind](here, dice)
        here.until_served(boot)
        done.kills += [Kill(kind, where, time.monotonic() - died_at)] * DEATHS.get(kind, 1)
        done.complaints += (f"after {len(done.kills)} kills, the last {kind.value} {where}: {one}" for one in damage)
        output.write(f"{len(done.kills)} {kind.value} {where}: {done.kills[-1].recovery_seconds:.2f} s\n")
        output.flush()


def _trouble(here: Site, dice: random.Random) -> None:
    """Now and then the platform is not well: it fails, refuses, or takes a message and does not say so."""
    for status, cut in ((500, None), (400, None), (None, "before"), (None, "after")):
        if dice.random() < TROUBLE:
            here.fault(status=status, cut=cut)


def _undeserved(done: Run) -> Iterator[str]:
    """Dead letters that nothing explains: the platform has refused each, or it was in flight twice when something
    broke, which marks it."""
    found = _dead_letters(done.lanes)
    if found.get(ErrorClass.PERMANENT.value, 0) > done.refusals:
        yield f"the platform was to refuse {done.refusals} messages, and the dead letters are {found}"
    if set(found) - {ErrorClass.PERMANENT.value, ErrorClass.UNKNOWN.value}:
        yield f"something else makes dead letters: {found}"


def _dead_letters(lanes: Sequence[Lane]) -> Mapping[str, int]:
    """By the kind of their error."""
    return dict(Counter(str(row.error) for lane in lanes for row in lane.rows if row.state == "dead"))


def _punctuality(stored: StoredJob, runs: Sequence[JobRun]) -> dict[str, Any]:
    """How often a job ran, how many times it made up for with another one's run, and how late it was."""
    return {
        **Counter(run.status.value for run in runs),
        "passed_over": passed_over(stored.job, runs),
        "late_seconds": _spread([run.started_at - run.scheduled_at for run in runs if run.scheduled_at is not None]),
    }


def _finish(callers: Sequence[Caller]) -> Iterator[str]:
    for caller in callers:
        caller.ending.set()
    for caller in callers:
        try:
            caller.finish()
        except Exception as error:
            yield f"{caller.name}: {type(error).__name__}: {error}"


@frozen
class _Size:
    pss_kb: int
    open: Counter[str]


def _sizes(here: Site) -> Mapping[str, _Size]:
    pids = {"supervisor": here.gateway.process.pid, "child": here.gateway.child_pid}
    return {name: _Size(settled_pss_kb(pid), descriptors(pid)) for name, pid in pids.items()}


def _growth(here: Site, before: Mapping[str, _Size], done: Run) -> Iterator[str]:
    """What is larger than it was, beyond what is to be expected."""
    for name, slack, most in (("supervisor", 0, SUPERVISOR_RATIO), ("child", DESCRIPTOR_SLACK, PSS_RATIO)):
        pid = here.gateway.process.pid if name == "supervisor" else here.gateway.child_pid
        if more := leaked(pid, before[name].open, slack):
            yield f"the {name} has more open than before: {dict(more)}"
        now = settled_pss_kb(pid)
        done.pss_kb[name] = before[name].pss_kb, now
        if now > most * before[name].pss_kb:
            yield f"the {name} grew from {before[name].pss_kb} kB to {now} kB"


def _spread(seconds: Sequence[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    return {"median": round(statistics.median(seconds), 2), "max": round(max(seconds), 2)}
