"""The verdict: what a disturbance excuses, and what nothing does."""

from __future__ import annotations

import pytest
from attrs import evolve

from tests.e2e.chaos.ledger import Delivery, Disturbance, Kind, Lane, Ledger, Outcome, Request, Stream, failures, losses

PLANNED = Disturbance(Kind.RESPAWN, "asked", began=10, ended=12)
KILL = Disturbance(Kind.CRASH, "kill -9", began=10, ended=12, cut_at=10.5)
NOBODY = Disturbance(Kind.ORPHANED, "kill -9", began=10, ended=12, is_refusing=True)
TORN = Request("opener", began=10.4, ended=10.6, outcome=Outcome.TORN)
STREAM = Stream(began=1, ended=11, said_shutdown=True, is_whole=True)


def told(disturbance: Disturbance, *seen: Request | Stream) -> list[str]:
    requests = [one for one in seen if isinstance(one, Request)]
    streams = [one for one in seen if isinstance(one, Stream)]
    return list(failures(Ledger(requests, streams, [disturbance])))


@pytest.mark.parametrize("outcome", [Outcome.ANSWERED, Outcome.CLOSED, Outcome.AWAY])
def test_what_the_protocol_allows_is_no_failure(outcome: Outcome) -> None:
    assert told(PLANNED, evolve(TORN, outcome=outcome)) == []


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.TORN, Outcome.WRONG, Outcome.SILENT])
def test_a_planned_restart_excuses_no_failure(outcome: Outcome) -> None:
    (complaint,) = told(PLANNED, evolve(TORN, outcome=outcome))
    assert complaint.startswith(f"opener: {outcome.value}")
    assert "during respawn (asked), +0.400 s to +0.600 s of 2.000 s" in complaint


def test_a_kill_excuses_the_request_that_was_in_flight() -> None:
    assert told(KILL, TORN) == []


def test_a_kill_does_not_excuse_a_request_that_came_after_it() -> None:
    assert len(told(KILL, evolve(TORN, began=10.55))) == 1


def test_a_kill_does_not_excuse_a_request_that_was_over_before_it() -> None:
    assert len(told(KILL, evolve(TORN, ended=10.45))) == 1


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.WRONG, Outcome.SILENT])
def test_a_kill_excuses_nothing_but_torn_answers(outcome: Outcome) -> None:
    assert len(told(KILL, evolve(TORN, outcome=outcome))) == 1


def test_without_a_supervisor_a_refusal_is_excused_and_after_the_next_start_it_is_not() -> None:
    refused = Request("opener", began=11, ended=11, outcome=Outcome.REFUSED)
    assert told(NOBODY, refused) == []
    assert len(told(NOBODY, evolve(refused, began=12.1, ended=12.1))) == 1


def test_a_stream_says_shutdown_before_it_ends_unless_its_process_was_killed() -> None:
    assert told(PLANNED, STREAM) == []
    assert "without a word of shutdown" in told(PLANNED, evolve(STREAM, said_shutdown=False))[0]
    assert "was torn" in told(PLANNED, evolve(STREAM, is_whole=False))[0]
    assert told(KILL, evolve(STREAM, said_shutdown=False, is_whole=False)) == []


def test_a_wait_over_two_disturbances_counts_for_the_first_and_that_for_a_model_for_none() -> None:
    second = Disturbance(Kind.IN_PROCESS, "asked", began=12.5, ended=12.6)
    slow = Request("opener", began=10.6, ended=12.55, outcome=Outcome.ANSWERED)
    quick = Request("opener", began=12.55, ended=12.57, outcome=Outcome.ANSWERED)
    turn = evolve(quick, ended=12.6, is_turn=True)
    waits = Ledger([slow, quick, turn], [], [KILL, second]).longest_waits()
    assert waits[Kind.CRASH] == [pytest.approx(1.95)]
    assert waits[Kind.IN_PROCESS] == [pytest.approx(0.02)]


def lane(*delivered: tuple[str, float], may_repeat: bool = True) -> Lane:
    return Lane("a chat", ["a", "b", "c"], [Delivery(text, at) for text, at in delivered], may_repeat)


ALL = (("a", 1.0), ("b", 2.0), ("c", 3.0))


def test_all_of_it_once_and_in_order_is_no_loss() -> None:
    assert list(losses(lane(*ALL), [])) == []


def test_what_was_delivered_but_not_acknowledged_is_no_loss() -> None:
    assert list(losses(lane(*ALL, ("d", 4.0)), [])) == []


def test_a_message_that_is_missing_is_lost() -> None:
    (complaint,) = losses(lane(*ALL[:2]), [])
    assert "1 of 3 acknowledged messages are lost: ['c']" in complaint


def test_messages_that_changed_places_are_told() -> None:
    (complaint,) = losses(lane(ALL[1], ALL[0], ALL[2]), [])
    assert "out of order, 'b' came where 'a' was due" in complaint


def test_a_message_may_come_again_only_where_a_process_died_between_and_the_platform_cannot_tell() -> None:
    again = (*ALL, ("c", 5.0))
    assert list(losses(lane(*again), [(4.0, 4.5)])) == []
    assert len(list(losses(lane(*again), []))) == 1
    assert len(list(losses(lane(*again), [(7.0, 8.0)]))) == 1
    assert len(list(losses(lane(*again, may_repeat=False), [(4.0, 4.5)]))) == 1
