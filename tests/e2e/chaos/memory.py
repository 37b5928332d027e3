"""What restarts in the process cost in memory: nothing."""

from __future__ import annotations

import random
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from tests.e2e.chaos.clients import clients
from tests.e2e.chaos.ledger import Ledger, failures
from tests.e2e.chaos.observers import settled_pss_kb
from tests.e2e.chaos.site import site

PROMISED_RATIO = 1.05


@frozen
class Span:
    """From which restart to which."""

    first: int
    last: int


LONG, QUICK = Span(20, 100), Span(5, 10)


@frozen
class Memory:
    """The proportional set size of one process, whose clients never stop asking."""

    span: Span
    first_kb: int
    last_kb: int
    ledger: Ledger

    @property
    def ratio(self) -> float:
        return self.last_kb / self.first_kb


def measure(span: Span) -> Memory:
    """Restart one process again and again."""
    ledger, taken = Ledger(), dict[int, int]()
    with tempfile.TemporaryDirectory(prefix="chaos") as directory, site(Path(directory), random.Random()) as here:  # noqa: S311 - of a port
        asking = clients(here.port, ledger)
        for client in asking:
            client.start()
        for number in range(1, span.last + 1):
            here.gateway.signal(signal.SIGUSR1)
            here.until_well("the next generation serves", lambda now, n=number: now["generation"] == n + 1)
            if number in (span.first, span.last):
                taken[number] = settled_pss_kb(here.pids()["child"])
        for client in asking:
            client.finish()
    return Memory(span, taken[span.first], taken[span.last], ledger)


def complaints(memory: Memory) -> Iterator[str]:
    """What was wrong."""
    yield from failures(memory.ledger)
    if memory.ratio > PROMISED_RATIO:
        span = memory.span
        yield (
            f"memory grew from {memory.first_kb} kB after restart {span.first} to {memory.last_kb} kB "
            f"after restart {span.last}"
        )
