"""What becomes of successors and spares, step by step; `test_decisions` has the table."""

from __future__ import annotations

import pytest

from tests.supervisor.test_decisions import BACKING_OFF, NOW, PREPARING, SERVING, SPARE, SPARING, STANDING_BY, STARTING
from xopc_supervisor import contract
from xopc_supervisor.decisions import decide
from xopc_supervisor.states import (
    Candidate,
    CandidateLate,
    DropSpare,
    Event,
    Exited,
    NotSpawned,
    Policy,
    Report,
    Said,
    SpareDue,
    Spawn,
    Tell,
    Who,
    name,
)
from xopc_supervisor.succession import SPARE_AGAIN_SECONDS, SPARE_SECONDS, START_SECONDS, drop_spare


def test_a_candidate_that_dies_when_the_child_is_gone_already_is_told_of() -> None:
    after, actions = decide(STANDING_BY, Exited(1, Who.CANDIDATE), NOW, Policy())
    assert after.candidate is None
    what = "The new process ended before it could take over: exit code 1. Another one follows."
    assert actions == (Report("error", what),)


def test_a_candidate_that_fails_changes_nothing_but_what_is_told() -> None:
    told, _ = decide(PREPARING, Said("failed", "the schema is newer", Who.CANDIDATE), NOW, Policy())
    after, actions = decide(told, Exited(1, Who.CANDIDATE), NOW, Policy())
    assert Tell("declined the schema is newer") in actions
    assert after.problem == "the new process could not take over (the schema is newer); the one before goes on"
    assert after._replace(problem="", reason="") == SERVING
    well, _ = decide(after, Said("ready", "30"), NOW, Policy())
    assert well.problem == ""


def test_a_candidate_that_does_not_stand_by_in_time_is_killed_and_told_so() -> None:
    assert decide(SERVING, Said("restart", "respawn x"), NOW, Policy())[0].candidate_deadline == NOW + START_SECONDS
    late, _ = decide(PREPARING, CandidateLate(), NOW, Policy())
    _, actions = decide(late, Exited(-9, Who.CANDIDATE), NOW, Policy())
    assert Tell(f"declined it did not stand by within {START_SECONDS} s") in actions


def test_a_spare_is_started_when_the_start_is_over() -> None:
    state, _ = decide(STARTING, Said("ready", "30 1"), NOW, Policy())
    assert (state.patience, state.spare_at) == (30, NOW + SPARE_SECONDS)
    assert decide(state, Said("ready", "30 1"), NOW + 1, Policy())[0].spare_at == NOW + SPARE_SECONDS
    state, _ = decide(state, SpareDue(), NOW + SPARE_SECONDS, Policy())
    assert (state.spare_at, state.candidate_deadline) == (None, NOW + SPARE_SECONDS + START_SECONDS)
    state, _ = decide(state, Said("standby", "0.1.0 1", Who.CANDIDATE), NOW + 3, Policy())
    assert (state.candidate, state.candidate_deadline) == (Candidate.SPARE, None)


@pytest.mark.parametrize(
    ("detail", "policy"), [("30 0", Policy()), ("30", Policy()), ("30 1", Policy(no_respawn=True))]
)
def test_no_spare_is_started_where_none_is_wanted(detail: str, policy: Policy) -> None:
    assert decide(STARTING, Said("ready", detail), NOW, policy)[0].spare_at is None
    assert decide(SPARING, Said("ready", detail), NOW, policy)[0].spare_at is None


@pytest.mark.parametrize("gone", [Exited(1, Who.CANDIDATE), NotSpawned("no memory", Who.CANDIDATE)])
def test_a_spare_that_ends_is_told_of_and_followed_a_minute_later(gone: Event) -> None:
    state, actions = decide(SPARE, gone, NOW, Policy())
    assert (state.candidate, state.spare_at, state.problem) == (None, NOW + SPARE_AGAIN_SECONDS, "")
    (report,) = actions
    assert isinstance(report, Report)
    assert report.level == "warn"
    assert decide(state, Said("ready", "30 1"), NOW, Policy())[0].spare_at == NOW + SPARE_AGAIN_SECONDS


def test_what_a_dying_spare_said_is_told() -> None:
    told, _ = decide(SPARE, Said("failed", "the disk is on fire", Who.CANDIDATE), NOW, Policy())
    _, (report,) = decide(told, Exited(1, Who.CANDIDATE), NOW, Policy())
    assert isinstance(report, Report)
    assert "the disk is on fire" in report.message


def test_a_spare_follows_a_crash_at_once_and_another_one_follows_it_when_it_is_ready() -> None:
    state, _ = decide(SPARE, Exited(-9), NOW, Policy())
    assert (state.candidate, state.spare_at, state.deadline) == (None, None, NOW + START_SECONDS)
    state, _ = decide(state, Said("ready", "30 1"), NOW, Policy())
    assert state.spare_at == NOW + SPARE_SECONDS


def test_a_spare_whose_configuration_is_refused_gives_way_to_the_last_accepted_one() -> None:
    state, _ = decide(SPARE, Exited(-9), NOW, Policy())
    state, _ = decide(state, Said("failed", "$.gateway.port: must be a whole number"), NOW, Policy())
    _, actions = decide(state, Exited(contract.EXIT_CONFIG), NOW, Policy())
    assert actions[-1] == Spawn("crash", "killed by SIGKILL", use_accepted=True)


def test_a_successor_that_fails_leaves_the_place_to_a_spare_again() -> None:
    state, _ = decide(SPARE, Said("restart", "respawn update"), NOW, Policy())
    assert (state.candidate, state.spare_at, name(state)) == (Candidate.PREPARING, None, "handing-over")
    state, _ = decide(state, Exited(1, Who.CANDIDATE), NOW, Policy())
    assert (state.candidate, state.spare_at) == (None, NOW + SPARE_SECONDS)


def test_a_supervisor_that_replaces_itself_gives_its_spare_up_and_nothing_else() -> None:
    state, actions = drop_spare(SPARE, NOW)
    assert (state.candidate, state.spare_at, actions) == (None, NOW + SPARE_SECONDS, (DropSpare(),))
    for other in (SERVING, PREPARING, STANDING_BY, BACKING_OFF):
        assert drop_spare(other, NOW) == (other, ())
