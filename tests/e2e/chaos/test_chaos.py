"""The quick form of the chaos suite. `make chaos` runs the long one, and prints figures."""

from __future__ import annotations

import random
import sys

import pytest

from tests.e2e.chaos.__main__ import verdict
from tests.e2e.chaos.disturbances import VARIANTS
from tests.e2e.chaos.run import LONG, QUICK, plan, run


@pytest.mark.timeout(240)  # eighteen disturbances; the one that hangs waits for the watchdog
def test_whatever_is_done_to_a_gateway_nobody_is_refused_and_nothing_is_lost() -> None:
    seed = random.SystemRandom().randrange(2**32)
    done = run(seed, QUICK, starts=0, output=sys.stdout)
    assert not done.complaints, f'make chaos ARGS="--quick --seed {seed}"\n{verdict(seed, done.complaints)}'
    assert done.ledger.streams, "no stream of events ever ended"
    assert sum(len(lane.acknowledged) for lane in done.lanes) > 100


def test_a_seed_gives_the_same_disturbances_in_the_same_order_again() -> None:
    first, again, other = (plan(seed, LONG) for seed in (7, 7, 8))
    assert first == again
    assert first != other
    assert len(first) == sum(LONG.values())


def test_each_way_to_disturb_is_taken_in_the_long_form() -> None:
    assert set(plan(7, LONG)) == {act for acts in VARIANTS.values() for act in acts}
