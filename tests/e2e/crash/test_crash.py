"""The quick form of the crash suite. `make crash` runs the long one, and prints figures."""

from __future__ import annotations

import random
import sys

import pytest

from tests.e2e.chaos.__main__ import verdict
from tests.e2e.crash.callers import KINDS
from tests.e2e.crash.deaths import Kind
from tests.e2e.crash.run import DEATHS, LONG, QUICK, plan, run

PAUSE_SECONDS = (0.2, 1.0)


@pytest.mark.timeout(240)  # eight kills, each with the start after it
def test_whenever_a_gateway_is_killed_what_was_acknowledged_arrives_once_or_is_marked() -> None:
    seed = random.SystemRandom().randrange(2**32)
    done = run(seed, random.Random(seed).sample(QUICK, len(QUICK)), 2 * len(KINDS), PAUSE_SECONDS, sys.stdout)  # noqa: S311 - an order
    assert not done.complaints, verdict(seed, done.complaints)
    assert len(done.kills) == sum(DEATHS.get(kind, 1) for kind in QUICK)
    assert done.acknowledged > 50


def test_a_seed_gives_the_same_kills_in_the_same_order_again() -> None:
    first, again, other = (plan(seed, 200) for seed in (7, 7, 8))
    assert first == again
    assert first != other
    assert 200 <= sum(DEATHS.get(kind, 1) for kind in first) <= 201


def test_each_kind_of_kill_is_in_the_long_form() -> None:
    assert set(LONG) == set(plan(7, 200)) == set(Kind)
