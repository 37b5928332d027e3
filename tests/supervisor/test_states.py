from __future__ import annotations

import pytest

from xopc_supervisor.states import Candidate, Phase, State, name

CRASHED = State(Phase.BACKING_OFF, crashes=1, strikes=1, ever_ready=True)


@pytest.mark.parametrize(
    ("state", "what"),
    [
        *((State(phase), phase.value) for phase in Phase),
        (State(Phase.SERVING, candidate=Candidate.PREPARING), "handing-over"),
        (State(Phase.SERVING, candidate=Candidate.SPARE), "serving"),
        (State(Phase.SERVING, use_accepted=True), "degraded"),
        (State(Phase.SERVING, use_accepted=True, candidate=Candidate.SPARE), "degraded"),
        (CRASHED, "backing-off"),
        (CRASHED._replace(phase=Phase.STARTING), "starting"),
        (CRASHED._replace(crashes=3, strikes=3), "crash-looping"),
        (CRASHED._replace(crashes=9, strikes=0), "degraded"),
    ],
)
def test_a_state_has_a_name_that_a_person_understands(state: State, what: str) -> None:
    assert name(state) == what


@pytest.mark.parametrize(("phase", "patience", "watched"), [(Phase.SERVING, 30, True), (Phase.SERVING, 0, False)])
def test_a_child_is_watched_while_it_serves(phase: Phase, patience: float, watched: bool) -> None:
    assert State(phase, patience=patience).is_watched is watched


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.SERVING])
def test_a_child_that_starts_or_ends_has_other_limits(phase: Phase) -> None:
    assert not State(phase, patience=30).is_watched
