"""The ways in which a gateway is killed, and what its files are like right after that."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Mapping
from enum import Enum

from tests.e2e.crash.site import FAULTS, Site, kill
from tests.fakes.mortal_gateway import AFTER, BEFORE, STEPS

REACH_SECONDS = 15
"""For a process to come to the step that it is to die at; then it is killed wherever it is."""
MOST_TIMES = 5
"""It comes there before it dies."""
WHILE_STARTING = ("boot", "recover", "recover outbox", "prune", "ready")
AT_WORK = tuple(name for name in STEPS if name not in ("migrate", *WHILE_STARTING, "drain", "release", "hand over"))
"""Steps that traffic comes to."""


class Kind(Enum):
    """When a process dies."""

    INSTANT = "at a random instant"
    STEP = "at a step"
    TWICE = "twice in a row"
    START = "while it starts"
    RESTART = "while it restarts in its process"
    HAND_OVER = "while it hands over"


Death = tuple[str, list[str], float]
"""The step, if it was one; the damage; when it was, on the monotonic clock."""


def _at_an_instant(here: Site, dice: random.Random) -> Death:
    del dice
    with here.alone():
        pid = here.gateway.child_pid
        kill(pid)
        here.until_dead(pid)
        return "", here.damage_left(), time.monotonic()


def _at_a_step(here: Site, dice: random.Random) -> Death:
    step, when, times = dice.choice(AT_WORK), dice.choice([BEFORE, AFTER]), dice.randint(1, MOST_TIMES)
    with here.alone():
        pid = here.gateway.child_pid
        here.arm(step, when, times)
        if step in FAULTS:
            here.fault(status=FAULTS[step], times=times)
        if not here.until_dead(pid, REACH_SECONDS) and here.disarm():
            return _at_an_instant(here, dice)
        here.until_dead(pid)
        damage, died_at = here.damage_left(), time.monotonic()
    return f"{when} {step}", damage, died_at


def _twice(here: Site, dice: random.Random) -> Death:
    """The next process dies at the same step, if it comes there, or else where it is."""
    step, when = dice.choice(["begin", "send", "part", "claim", "answer", "finish"]), dice.choice([BEFORE, AFTER])
    with here.alone():
        pid = here.gateway.child_pid
        here.arm(step, when)
        if not here.until_dead(pid, REACH_SECONDS):
            kill(pid)
            here.until_dead(pid)
        damage = here.damage_left()
        here.arm(step, when)
    if not here.until_obeyed(REACH_SECONDS):
        kill(here.gateway.child_pid)
    return f"{when} {step}", [*damage, *here.damage()], time.monotonic()


def _while_starting(here: Site, dice: random.Random) -> Death:
    step, when = dice.choice(WHILE_STARTING), dice.choice([BEFORE, AFTER])
    here.arm(step, when)
    kill(here.gateway.child_pid)
    died_at = time.monotonic()
    damage = here.damage() if here.until_obeyed(REACH_SECONDS) else [f"no process came to {step!r}"]
    return f"{when} {step}", damage, died_at


def _while_it(ask: Callable[[Site], None]) -> Callable[[Site, random.Random], Death]:
    def die(here: Site, dice: random.Random) -> Death:
        pid = here.gateway.child_pid
        ask(here)
        time.sleep(dice.uniform(0, 2.5))
        # Of a hand-over it is the old process, the new one, or neither any more: then this is one more instant.
        pid = dice.choice([pid, here.gateway.child_pid])
        kill(pid)
        died_at = time.monotonic()
        here.until_dead(pid)
        return "", here.damage(), died_at

    return die


def _restart(here: Site) -> None:
    here.gateway.signal(signal.SIGUSR1)


WAYS: Mapping[Kind, Callable[[Site, random.Random], Death]] = {
    Kind.INSTANT: _at_an_instant,
    Kind.STEP: _at_a_step,
    Kind.TWICE: _twice,
    Kind.START: _while_starting,
    Kind.RESTART: _while_it(_restart),
    Kind.HAND_OVER: _while_it(Site.ask_for_respawn),
}
