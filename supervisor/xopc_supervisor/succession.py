"""Who follows the child: a new process, a successor that prepares beside it, or a spare that waits for a crash.

A part of what `decisions` decides, and as pure. A successor that fails is dropped, and nothing has changed; one that
stands by is promoted when the child is gone, by then or by a crash. With `gateway.standby` the same place is taken by a
spare while nothing else needs it; that is promoted only when the child ends by itself.
"""

from __future__ import annotations

import signal

from xopc_supervisor import contract
from xopc_supervisor.states import (
    Candidate,
    Decision,
    DropSpare,
    HandOver,
    Kill,
    Phase,
    Promote,
    Report,
    Spawn,
    SpawnCandidate,
    State,
    Tell,
    Who,
)

START_SECONDS = 120
"""A child that is not ready by then, or a candidate that does not stand by, is killed and counts as failed."""
STOP_SECONDS = 6
"""From SIGTERM to SIGKILL; the child drains for 5.0 s and leaves by itself at 5.5 s."""
SPARE_SECONDS = 2
"""From the child's `ready` to the start of a spare, which is not to compete with what a start leaves for later."""
SPARE_AGAIN_SECONDS = 60
"""From the end of a spare that nobody asked for to the next one."""


def follow(state: State, kind: str, reason: str, now: float) -> Decision:
    """The child left as it should: the candidate follows it, or a new process."""
    return (promote if state.candidate else spawn)(state, kind, reason, now)


def spawn(state: State, kind: str, reason: str, now: float, *, use_accepted: bool = False) -> Decision:
    """A new process follows, and nobody serves until it does."""
    return _fresh(state, now, reason)._replace(use_accepted=use_accepted), (Spawn(kind, reason, use_accepted),)


def promote(state: State, kind: str, reason: str, now: float) -> Decision:
    """The candidate follows."""
    return _fresh(state, now, reason), (Promote(kind, reason),)


def prepare(state: State, reason: str, now: float) -> Decision:
    """Start a successor beside the child; a spare gives its place up."""
    state, drop = drop_spare(state, now)
    state = state._replace(candidate=Candidate.PREPARING, candidate_deadline=now + START_SECONDS, spare_at=None)
    return state._replace(reason=reason, candidate_failure=""), (*drop, SpawnCandidate())


def on_word(state: State, word: str, detail: str, now: float) -> Decision:
    """The candidate said something: where it stands by, the child hands over to it."""
    if word == contract.FAILED:
        return state._replace(candidate_failure=detail), ()
    if word == contract.STANDBY and state.candidate is Candidate.SPARE:
        return state._replace(candidate_deadline=None), ()
    if word != contract.STANDBY or state.candidate is not Candidate.PREPARING:
        return state, ()
    state = state._replace(candidate=Candidate.STANDING_BY, candidate_deadline=None)
    if state.phase is not Phase.SERVING:
        return state, ()
    return state._replace(phase=Phase.RESPAWNING, deadline=now + STOP_SECONDS), (HandOver(state.reason),)


def on_late(state: State) -> Decision:
    """The candidate has had its time to stand by."""
    late = f"it did not stand by within {START_SECONDS} s"
    return state._replace(candidate_deadline=None, candidate_failure=late), (kill_candidate(),)


def drop(state: State, why: str, now: float) -> Decision:
    """The candidate is gone. Where the child serves, it goes on."""
    dropped = state._replace(candidate=None, candidate_deadline=None, candidate_failure="")
    if state.candidate is None or state.phase is Phase.STOPPING:
        return dropped, ()
    if state.phase is not Phase.SERVING:
        report = Report("error", f"The new process ended before it could take over: {why}. Another one follows.")
        return dropped, (report,)
    if state.candidate is Candidate.SPARE:
        report = Report("warn", f"The spare process ended: {why}. Another one follows in {SPARE_AGAIN_SECONDS} s.")
        return plan_spare(dropped, now, SPARE_AGAIN_SECONDS), (report,)
    return decline(plan_spare(dropped._replace(reason=""), now), why)


def decline(state: State, why: str) -> Decision:
    """There is no successor, and the child that wanted one is told so."""
    why = why.rstrip(".")
    problem = f"the new process could not take over ({why}); the one before goes on"
    declined = Tell(f"{contract.DECLINED} {why}")
    return state._replace(problem=problem), (Report("error", f"Restart: {problem}."), declined)


def kill_candidate() -> Kill:
    """Its exit is an event then, as any other."""
    return Kill(signal.SIGKILL, Who.CANDIDATE)


def on_spare_due(state: State, now: float) -> Decision:
    """Start a spare, unless it has become needless meanwhile."""
    if state.phase is not Phase.SERVING or state.candidate is not None or not state.keeps_spare:
        return state, ()
    state = state._replace(candidate=Candidate.SPARE, candidate_deadline=now + START_SECONDS, candidate_failure="")
    return state, (SpawnCandidate(is_spare=True),)


def drop_spare(state: State, now: float) -> Decision:
    """Give up the spare, if there is one. Another one follows, if one is still wanted."""
    if state.candidate is not Candidate.SPARE:
        return state, ()
    return plan_spare(state._replace(candidate=None, candidate_deadline=None), now), (DropSpare(),)


def plan_spare(state: State, now: float, seconds: float = SPARE_SECONDS) -> State:
    """Let a spare follow, where one is wanted, and none there or on its way."""
    if not state.keeps_spare:
        return state._replace(spare_at=None)
    if state.candidate is not None or state.spare_at is not None:
        return state
    return state._replace(spare_at=now + seconds)


def _fresh(state: State, now: float, reason: str) -> State:
    """A new child is on its way, for this reason; what is remembered is of all children."""
    return State(
        Phase.STARTING,
        deadline=now + START_SECONDS,
        crashes=state.crashes,
        strikes=state.strikes,
        ever_ready=state.ever_ready,
        reason=reason,
        problem=state.problem,
    )
