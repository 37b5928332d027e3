"""One run: disturbances in random order, clients that never stop, and the verdict on what they saw."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from attrs import define, field

from tests.e2e.chaos.clients import Client, clients
from tests.e2e.chaos.disturbances import VARIANTS, Act
from tests.e2e.chaos.ledger import Kind, Lane, Ledger, failures, losses
from tests.e2e.chaos.observers import LockWatch, descriptors, leaked, processes
from tests.e2e.chaos.senders import Sender, lanes, senders
from tests.e2e.chaos.site import Site, site

LONG: Mapping[Kind, int] = {
    Kind.IN_PROCESS: 100,
    Kind.RESPAWN: 20,
    Kind.CRASH: 20,
    Kind.ORPHANED: 5,
    Kind.HUNG: 5,
    Kind.CANNOT_START: 5,
    Kind.UPGRADE: 1,
}
QUICK: Mapping[Kind, int] = {
    Kind.IN_PROCESS: 8,
    Kind.RESPAWN: 3,
    Kind.CRASH: 3,
    Kind.ORPHANED: 1,
    Kind.HUNG: 1,
    Kind.CANNOT_START: 1,
    Kind.UPGRADE: 1,
}
PAUSE_SECONDS = (0.05, 0.5)
"""Between two disturbances: the shortest and the longest."""
DESCRIPTOR_SLACK = 2
"""Of the child: a reader of the database for each thread that reads, and how many those are is chance."""


@define
class Run:
    """What came of a run."""

    seed: int
    ledger: Ledger = field(factory=Ledger)
    lanes: Sequence[Lane] = ()
    starts: list[float] = field(factory=list[float])
    """Seconds from the command to the first 200 of /health, with no client about."""
    lock_samples: int = 0
    seconds: float = 0.0
    broken: list[str] = field(factory=list[str])
    """Disturbances after which the gateway was not as it should be, and clients that fell over."""
    failed: list[str] = field(factory=list[str])
    """Requests and streams that nothing excuses."""
    lost: list[str] = field(factory=list[str])
    """Messages: gone, out of order, or repeated without need."""
    shared: list[str] = field(factory=list[str])
    """Locks with two owners."""
    left_behind: list[str] = field(factory=list[str])
    """Processes and descriptors."""

    @property
    def complaints(self) -> list[str]:
        """All of it; that there are none is the verdict that is wanted."""
        return [*self.broken, *self.failed, *self.lost, *self.shared, *self.left_behind]


def run(seed: int, counts: Mapping[Kind, int], starts: int, output: TextIO) -> Run:
    """One run, told to `output` as it goes. Nothing of it is left when it returns."""
    done = Run(seed)
    dice, acts = _dice(seed), plan(seed, counts)
    with tempfile.TemporaryDirectory(prefix="chaos") as directory, site(Path(directory), dice) as here:
        done.starts += [here.start_again() for _ in range(starts)]
        began = time.monotonic()
        _disturb_under_load(here, done, acts, output)
        done.seconds = time.monotonic() - began
        here.stop()
        done.left_behind += [f"left behind: process {pid}, {command}" for pid, command in processes(here.mark).items()]
    return done


def plan(seed: int, counts: Mapping[Kind, int]) -> list[Act]:
    """Each kind so many times, its variants taking turns from any of them on, all of it shuffled."""
    dice, acts = _dice(seed), list[Act]()
    for kind, count in counts.items():
        variants = VARIANTS[kind]
        first = dice.randrange(len(variants))
        acts += [variants[(first + number) % len(variants)] for number in range(count)]
    dice.shuffle(acts)
    return acts


def _dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - it plays fate, and hides nothing


def _disturb_under_load(here: Site, done: Run, acts: Sequence[Act], output: TextIO) -> None:
    watch = LockWatch(*here.lock_paths)
    sending = senders(here.port, done.ledger, here.world)
    asking = clients(here.port, done.ledger)
    here.warm_up()
    here.renew()
    before = {name: descriptors(pid) for name, pid in here.pids().items()}
    for thread in (watch, *asking, *sending):
        thread.start()
    all_done = _disturb(here, done, acts, output)
    time.sleep(1)
    done.broken += _finish([*asking, *sending])
    watch.finish()
    done.lock_samples = watch.samples
    done.failed += failures(done.ledger)
    done.shared += watch.complaints()
    if not all_done:
        return  # what is missing now is not lost: there may be nobody to deliver it
    done.lost += _settle(here, done, sending)
    here.renew()
    for name, pid in here.pids().items():
        if more := leaked(pid, before[name], DESCRIPTOR_SLACK if name == "child" else 0):
            done.left_behind.append(f"the {name} has more open than before: {dict(more)}")


def _disturb(here: Site, done: Run, acts: Sequence[Act], output: TextIO) -> bool:
    """Whether all went as it should; after the first that does not, it makes no sense to go on."""
    for number, act in enumerate(acts, 1):
        time.sleep(here.dice.uniform(*PAUSE_SECONDS))
        name = act.__name__.replace("_", " ")
        try:
            disturbance = act(here)
        except Exception as error:
            done.broken.append(f"{name}: {type(error).__name__}: {error}\n{here.told()}")
            return False
        done.ledger.disturbances.append(disturbance)
        output.write(f"{number}/{len(acts)} {name}: {disturbance.ended - disturbance.began:.2f} s\n")
        output.flush()
    return True


def _finish(threads: Sequence[Client]) -> Iterator[str]:
    for client in threads:
        client.ending.set()
    for client in threads:
        try:
            client.finish()
        except Exception as error:
            yield f"{client.name}: {type(error).__name__}: {error}"


def _settle(here: Site, done: Run, sending: Sequence[Sender]) -> Iterator[str]:
    done.lanes = [lane for sender in sending for lane in lanes(sender, here.world, here.gateway)]
    to_epoch = time.time() - time.monotonic()
    cuts = [
        (one.began + to_epoch, one.ended + to_epoch)
        for one in done.ledger.disturbances
        if one.cut_at is not None or one.is_refusing
    ]
    for lane in done.lanes:
        yield from losses(lane, cuts)
