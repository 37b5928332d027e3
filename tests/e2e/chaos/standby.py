"""What a crash costs the clients of a gateway with `gateway.standby`."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from attrs import frozen

from tests.e2e.chaos.clients import clients
from tests.e2e.chaos.disturbances import kill_child
from tests.e2e.chaos.ledger import Kind, Ledger, failures
from tests.e2e.chaos.site import Site, site
from tests.e2e.spare import waiting_spare

LONG, QUICK = 20, 3
NAME = "crash with standby"
PROMISED_RATIO = 0.15
"""The longest wait of any client, as a ratio to a start of the same gateway: the median."""


@frozen
class Standby:
    """Crashes of gateways beside which a spare waits, whose clients never stop asking."""

    ledger: Ledger
    wrong: tuple[str, ...]
    """Crashes after which somebody else served than the spare."""

    @property
    def waits(self) -> list[float]:
        """The longest of any client, for each crash; seconds."""
        return self.ledger.longest_waits()[Kind.CRASH]


def measure(times: int) -> Standby:
    """Kill one gateway after the other, each when its spare waits."""
    ledger, wrong = Ledger(), list[str]()
    with tempfile.TemporaryDirectory(prefix="chaos") as directory, _site(Path(directory)) as here:
        asking = clients(here.port, ledger)
        for client in asking:
            client.start()
        for _ in range(times):
            spare = waiting_spare(here.gateway)
            ledger.disturbances.append(kill_child(here))
            if (serving := here.pids()["child"]) != spare:
                wrong.append(f"the spare is pid {spare}, and pid {serving} serves")
        for client in asking:
            client.finish()
    return Standby(ledger, tuple(wrong))


def complaints(standby: Standby) -> Iterator[str]:
    """What was wrong."""
    yield from failures(standby.ledger)
    yield from standby.wrong


def _site(directory: Path) -> AbstractContextManager[Site]:
    return site(directory, random.Random(), standby=True)  # noqa: S311 - of a port
