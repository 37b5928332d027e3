from __future__ import annotations

import tracemalloc

from xopc.core.sessions.pending import Pending

ONE, TWO = "main:telegram:default:dm:1", "main:telegram:default:dm:2"


def test_runs_wait_in_the_order_of_their_acceptance_until_they_are_removed() -> None:
    pending = Pending()
    for run_id in ("r1", "r2", "r3"):
        pending.add(ONE, run_id, bound=False)
    pending.remove(ONE, "r2")
    pending.remove(TWO, "r1")
    assert (pending.of(ONE), pending.count(ONE)) == (("r1", "r3"), 2)
    assert (pending.of(TWO), pending.count(TWO)) == ((), 0)


def test_a_session_is_as_before_when_several_have_waited_and_none_does_any_more() -> None:
    pending = Pending()
    for run_id in ("r1", "r2", "r2"):
        pending.add(ONE, run_id, bound=False)
    assert [pending.session_of(run_id) for run_id in ("r1", "r2")] == [ONE, ONE]
    pending.remove(ONE, "r1")
    assert (pending.of(ONE), pending.count(ONE), pending.session_of("r1")) == (("r2",), 1, None)
    pending.remove(ONE, "r2")
    assert (pending.of(ONE), pending.count(ONE)) == ((), 0)
    pending.add(ONE, "r3", bound=False)
    pending.add(ONE, "r3", bound=False)
    assert (pending.of(ONE), pending.count(ONE)) == (("r3",), 1)


def test_a_hundred_thousand_that_are_alone_in_their_sessions_take_little_room() -> None:
    runs = [(f"main:telegram:default:dm:{number}", f"run-{number}") for number in range(10_000)]
    pending = Pending()
    tracemalloc.start()
    try:
        for session_key, run_id in runs:
            pending.add(session_key, run_id, bound=False)
        bytes_each = tracemalloc.get_traced_memory()[0] / len(runs)
    finally:
        tracemalloc.stop()
    assert bytes_each < 100


def test_a_run_is_found_in_its_session_as_long_as_it_waits() -> None:
    pending = Pending()
    pending.add(TWO, "r1", bound=False)
    assert pending.session_of("r1") == TWO
    pending.remove(TWO, "r1")
    assert pending.session_of("r1") is None


def test_those_that_are_bound_are_known_whatever_their_session() -> None:
    pending = Pending()
    pending.add(ONE, "r1", bound=True)
    pending.add(ONE, "r2", bound=False)
    pending.add(TWO, "r3", bound=True)
    assert sorted(pending.bound()) == [(ONE, "r1"), (TWO, "r3")]
    pending.remove(ONE, "r1")
    pending.add(ONE, "r1", bound=False)
    assert pending.bound() == [(TWO, "r3")]


def test_a_stopped_run_that_has_ended_is_stopped_until_no_claim_can_give_it() -> None:
    pending = Pending()
    pending.add(ONE, "r1", bound=False)
    pending.stop("r1")
    pending.end(ONE, "r1")
    assert (pending.count(ONE), pending.is_stopped("r1")) == (0, True)
    pending.forget_ended(TWO)
    assert pending.is_stopped("r1")
    pending.forget_ended(ONE)
    assert not pending.is_stopped("r1")


def test_a_stopped_run_whose_end_came_from_its_worker_is_forgotten() -> None:
    pending = Pending()
    pending.stop("r1")
    pending.forget("r1")
    assert not pending.is_stopped("r1")
