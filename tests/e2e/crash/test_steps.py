"""A kill at each named step of the path, before and after it: what was acknowledged arrives as the step promises."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from tests.e2e.crash.callers import Asker, Caller, Poster, Ringer, Streamer
from tests.e2e.crash.ledger import Lane
from tests.e2e.crash.site import FAULTS, Site, is_dead, kill, site
from tests.e2e.crash.timers import Errand, Timer, soon, timers
from tests.e2e.crash.verdict import settle
from tests.e2e.harness import until
from tests.fakes.mortal_gateway import AFTER, BEFORE, STEPS, Fate

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "message-path.md"
AT_THE_START = ("boot", "recover", "recover outbox", "prune", "ready")
AT_THE_END = ("drain", "release", "hand over")
OF_A_JOB = {
    "begin run": (Errand.REMINDER, Errand.QUESTION),
    "put off run": (Errand.FAILURE,),
    "resume run": (Errand.FAILURE,),
    "end run": (Errand.QUESTION, Errand.FAILURE),
}
ON_THE_WAY_OUT = ("enqueue", "begin", "send", "part", "settle", "put off", "give up")
SECONDS = 40
"""For a process to come somewhere, on a machine that is busy."""

_numbers = count(1)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, no_real_home: None) -> Iterator[Site]:
    """One gateway for all steps that a worker kills it at: it comes to life again each time."""
    with site(tmp_path_factory.mktemp("home")) as one:
        one.gateway.wait_until_ready()
        yield one


@pytest.mark.timeout(120)  # one start or two, and whatever else the machine does
@pytest.mark.parametrize("when", [BEFORE, AFTER])
@pytest.mark.parametrize("step", [step for step in STEPS if step != "migrate"])
def test_a_kill_at_a_step_loses_nothing_and_repeats_only_what_it_says(here: Site, step: str, when: str) -> None:
    boot = here.until_served()
    here.until_steady()
    callers = _callers(here, step)
    first_job = 2_000_000 + 10 * next(_numbers)
    jobs = timers(first_job, here.gateway.port, here.world, OF_A_JOB.get(step, ()))
    with ThreadPoolExecutor() as threads:
        if step in AT_THE_START:
            damage = _kill_the_next(here, step, when, callers, threads)
        elif step in AT_THE_END:
            damage = _kill_the_leaving(here, step, when, callers, threads)
        elif step in OF_A_JOB:
            damage = _kill_the_clock(here, step, when, jobs, threads)
        else:
            damage = _kill_at_work(here, step, when, callers, threads)
        here.until_served(boot)
    found = settle(here, callers, jobs)
    assert [*damage, *found.complaints] == []
    if step in ON_THE_WAY_OUT:
        (lane,) = found.lanes
        assert _fate(lane) is getattr(STEPS[step], when)


@pytest.mark.timeout(120)  # three starts
def test_what_was_being_sent_when_two_processes_died_is_not_sent_a_third_time(here: Site) -> None:
    boot = here.until_served()
    here.until_steady()
    (poster,) = _callers(here, "send")
    here.arm("send", AFTER)
    poster.act()
    assert here.until_obeyed(SECONDS)
    here.arm("send", AFTER)
    assert here.until_obeyed(SECONDS), "the next process did not send it again"
    here.until_served(boot)
    found = settle(here, [poster])
    assert found.complaints == []
    (lane,) = found.lanes
    (row,) = lane.rows
    assert (row.state, row.is_marked, list(lane.delivered)) == ("dead", True, [row.parts[0]] * 2)


@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_a_kill_while_the_database_is_made_leaves_one_that_can_be_used(tmp_path: Path, when: str) -> None:
    with site(tmp_path, ("migrate", when)) as here:
        here.until_served()
        assert not here.disarm(), "no process came to it"
        callers = _callers(here, "migrate")
        for caller in callers:
            caller.act()
        found = settle(here, callers)
    assert found.complaints == []


def test_the_page_on_the_path_tells_what_a_kill_at_each_step_means() -> None:
    rows = re.findall(r"^\| `([a-z ]+)` \|.*\| ([^|]+) \| ([^|]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows == [(name, step.before.value, step.after.value) for name, step in STEPS.items()]


def _kill_at_work(
    here: Site, step: str, when: str, callers: Sequence[Caller], threads: ThreadPoolExecutor
) -> list[str]:
    """The damage that a process left which died of what its callers had it do."""
    pid = here.gateway.child_pid
    if step in FAULTS:
        here.fault(status=FAULTS[step])
    with here.alone():
        here.arm(step, when)
        told = [threads.submit(caller.act) for caller in callers]
        if (step, when) == ("confirm updates", AFTER):  # its answer comes with the next update
            until(lambda: is_dead(pid) or not here.world.unconfirmed(), "the first one is confirmed")
            told += [] if is_dead(pid) else [threads.submit(callers[0].act)]
        died = here.until_dead(pid, SECONDS)
        damage = here.damage_left()
    assert died, f"no process came to {step!r}"
    for one in told:
        one.result(SECONDS)
    return damage


def _kill_the_clock(here: Site, step: str, when: str, jobs: Sequence[Timer], threads: ThreadPoolExecutor) -> list[str]:
    """The same of one that died of what it was to do at a time; perhaps before all of it was told."""
    pid = here.gateway.child_pid
    with here.alone():
        here.arm(step, when)
        told = [threads.submit(job.start, soon) for job in jobs]
        died = here.until_dead(pid, SECONDS)
        damage = here.damage_left()
    assert died, f"no process came to {step!r}"
    for one in told:
        one.result(SECONDS)
    return damage


def _kill_the_next(
    here: Site, step: str, when: str, callers: Sequence[Caller], threads: ThreadPoolExecutor
) -> list[str]:
    """The same of one that died while it started, after another one that had something to do."""
    told = [threads.submit(caller.act) for caller in callers]
    here.arm(step, when)
    kill(here.gateway.child_pid)
    assert here.until_obeyed(SECONDS), f"no process came to {step!r}"
    damage = here.damage()
    for one in told:
        one.result(SECONDS)
    return damage


def _kill_the_leaving(
    here: Site, step: str, when: str, callers: Sequence[Caller], threads: ThreadPoolExecutor
) -> list[str]:
    """The same of one that died when it was to end, for its next generation or for a new process."""
    here.arm(step, when)
    told = [threads.submit(caller.act) for caller in callers]
    if step == "hand over":
        here.ask_for_respawn()
    else:
        here.gateway.signal(signal.SIGUSR1)
    assert here.until_obeyed(SECONDS), f"no process came to {step!r}"
    for one in told:
        one.result(SECONDS)
    return here.damage()


def _fate(lane: Lane) -> Fate:
    (row,) = lane.rows
    again = len(lane.delivered) - len(row.parts)
    if row.state == "dead":
        return Fate.DEAD
    return {(0, False): Fate.ONCE, (0, True): Fate.MARKED, (1, True): Fate.TWICE}[again, row.is_marked]


def _callers(here: Site, step: str) -> Sequence[Caller]:
    """A few, of whom one comes to the step."""
    kinds: Sequence[type[Caller]] = (Ringer, Poster, Asker, Streamer)
    if step in OF_A_JOB:
        kinds = ()
    elif step in ON_THE_WAY_OUT:
        kinds = (Poster,)  # alone, so that what arrives is his
    elif step == "accept":
        kinds = (Ringer, Poster, Asker)  # with a key, so that he asks again
    return [
        kind(f"{kind.__name__}-{number}", here.gateway.port, here.world, (0, 0), 1000 * number)
        for kind, number in zip(kinds, _numbers, strict=False)
    ]
