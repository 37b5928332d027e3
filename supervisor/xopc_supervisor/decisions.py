"""The supervisor's decisions: `decide` maps a state and an event to the next state and to what is to be done.

A pure function of its arguments, so that tables and properties cover it.

    STARTING ──ready──▶ SERVING ──the candidate stands by──▶ RESPAWNING ──exit──▶ STARTING
       ▲  │                │
       │  └──crash──┬──────┘          a stop leads from every phase to STOPPING, and its child's exit to ENDED
       └─deadline─ BACKING_OFF        exit code 78, or too many crashes before the first ready, lead to ENDED

A respawn starts a candidate beside the child that serves. One that fails is dropped, and nothing has changed; one
that stands by is promoted when the child is gone, by then or by a crash. With `gateway.standby` the same place is
taken by a spare while nothing else needs it; that is promoted only when the child ends by itself.
"""

from __future__ import annotations

import signal

from xopc_supervisor import contract
from xopc_supervisor.states import (
    Action,
    Announce,
    Candidate,
    CandidateLate,
    DeadlinePassed,
    Decision,
    DropSpare,
    Event,
    Exited,
    HandOver,
    Kill,
    NotRenewed,
    NotSpawned,
    Phase,
    Policy,
    Promote,
    Report,
    RestartAsked,
    Said,
    SpareDue,
    Spawn,
    SpawnCandidate,
    State,
    StopAsked,
    Tell,
    Ticked,
    Who,
    name,
)

START_SECONDS = 120
"""A child that is not ready by then, or a candidate that does not stand by, is killed and counts as failed."""
STOP_SECONDS = 6
"""From SIGTERM to SIGKILL; the child drains for 5.0 s and leaves by itself at 5.5 s."""
ABORT_SECONDS = 2
"""From SIGABRT, which a stopped or blocked process may not take, to SIGKILL."""
STEADY_SECONDS = 1
"""A child that was ready for so long starts the count of crashes anew. No more, since clients wait in the backlog
meanwhile; and a loop of crashes then turns no faster than under other supervisors, which pause a second each time."""
BACK_OFF_SECONDS = (0, 1, 2, 4, 8, 16, 30)
"""Pause before the respawn after the first, second, … crash in a row; the last repeats for ever."""
GIVE_UP_AFTER = 5
"""Crashes before any child was ever ready. Later the supervisor never gives up."""
SPARE_SECONDS = 2
"""From the child's `ready` to the start of a spare, which is not to compete with what a start leaves for later."""
SPARE_AGAIN_SECONDS = 60
"""From the end of a spare that nobody asked for to the next one."""


def begin(now: float) -> Decision:
    """The first state."""
    return State(Phase.STARTING, deadline=now + START_SECONDS), (Spawn("start", "start"),)


def decide(state: State, event: Event, now: float, policy: Policy) -> Decision:
    """The state after `event`, and what is to be done, in order. An event that means nothing now changes nothing."""
    match event:
        case Said(word, detail, who):
            if who is Who.CANDIDATE:
                return _on_candidate_word(state, word, detail, now)
            return _on_word(state._replace(silent=0), word, detail, now, policy)
        case Exited(code, who):
            if who is Who.CANDIDATE:
                return _drop_candidate(state, state.candidate_failure or describe_exit(code), now)
            return _on_exit(state, code, now, policy)
        case NotSpawned(error, who):
            why = f"no process could be started: {error}"
            if who is Who.CANDIDATE:
                return _drop_candidate(state, why, now)
            return _crash(state, why, contract.EXIT_FAILURE, now, policy)
        case NotRenewed(why):
            return _decline(state, why)
        case StopAsked(restart):
            return _on_stop(state, restart, now, policy)
        case RestartAsked(mode, reason):
            return _on_restart(state, mode, reason, now, policy)
        case DeadlinePassed() | CandidateLate() | SpareDue() | Ticked():
            return _on_time(state, event, now)


def drop_spare(state: State, now: float) -> Decision:
    """Give up the spare, if there is one. Another one follows, if one is still wanted."""
    if state.candidate is not Candidate.SPARE:
        return state, ()
    return _plan_spare(state._replace(candidate=None, candidate_deadline=None), now), (DropSpare(),)


def _on_word(state: State, word: str, detail: str, now: float, policy: Policy) -> Decision:
    if word == contract.FAILED:
        return state._replace(failure=detail), ()
    serving = state.phase in (Phase.STARTING, Phase.SERVING)
    if word == contract.READY and serving:
        return _on_ready(state, detail, now, policy)
    if word == contract.STOPPING and serving:
        # Somebody stopped the child itself, which means the same as stopping the supervisor.
        kill = (_kill_candidate(),) if state.candidate else ()
        return state._replace(phase=Phase.STOPPING, deadline=now + STOP_SECONDS), kill
    mode, _, reason = detail.partition(" ")
    if word == contract.RESTART and mode == contract.RESPAWN and state.phase is Phase.SERVING:
        if policy.no_respawn:
            return state, (Tell(f"{contract.DECLINED} XOPC_NO_RESPAWN forbids a new process"),)
        if not state.has_successor:
            state, drop = drop_spare(state, now)
            state = state._replace(candidate=Candidate.PREPARING, candidate_deadline=now + START_SECONDS, spare_at=None)
            return state._replace(reason=reason, candidate_failure=""), (*drop, SpawnCandidate())
    return state, ()


def _on_ready(state: State, detail: str, now: float, policy: Policy) -> Decision:
    again = state.phase is Phase.SERVING
    patience, _, rest = detail.partition(" ")
    spare, _, copy = rest.partition(" ")
    # Whoever was to use the copy does not where the file has been mended meanwhile.
    accepted = copy == contract.ACCEPTED
    state = state._replace(
        phase=Phase.SERVING,
        deadline=state.deadline if again else None,
        ready_at=state.ready_at or now,
        ever_ready=True,
        strikes=0,
        patience=_seconds(patience),
        use_accepted=accepted,
        problem=state.problem if accepted else "",
        keeps_spare=spare == "1" and not policy.no_respawn,
    )
    state, drop = (state, ()) if state.keeps_spare else drop_spare(state, now)
    return _plan_spare(state, now), (*drop, Announce())


def _on_candidate_word(state: State, word: str, detail: str, now: float) -> Decision:
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


def _on_exit(state: State, code: int, now: float, policy: Policy) -> Decision:
    match state.phase:
        case Phase.STOPPING:
            return _end(state, state.exit_code)
        case Phase.RESPAWNING:
            return _follow(state, "respawn", state.reason, now)
        case Phase.BACKING_OFF | Phase.ENDED:
            return state, ()
        case Phase.STARTING | Phase.SERVING:
            if code == contract.EXIT_CONFIG and state.phase is Phase.STARTING:
                return _refused(state, now, policy)
            if code == contract.EXIT_RESTART and state.ready_at is not None and not policy.no_respawn:
                reason = state.reason if state.has_successor else "the gateway asked for a new process"
                return _follow(state, "respawn", reason, now)
            return _crash(state, state.failure or describe_exit(code), code, now, policy)


def _on_stop(state: State, restart: str | None, now: float, policy: Policy) -> Decision:
    match state.phase:
        case Phase.STOPPING if not state.stop_asked:
            # The child was told first, by somebody who tells both of us: he has asked once.
            return state._replace(stop_asked=True), ()
        case Phase.STOPPING:
            # Whoever asks twice does not want to wait.
            return state._replace(deadline=None), (Kill(signal.SIGKILL),)
        case Phase.BACKING_OFF:
            return _end(state, contract.EXIT_OK if restart is None else policy.restart_exit)
        case Phase.ENDED:
            return state, ()
        case _:
            ask = Kill(signal.SIGTERM) if restart is None else Tell(f"{contract.STOP} restart {restart}")
            kill = (_kill_candidate(),) if state.candidate else ()
            state = state._replace(
                phase=Phase.STOPPING,
                deadline=now + STOP_SECONDS,
                stop_asked=True,
                exit_code=contract.EXIT_OK if restart is None else policy.restart_exit,
            )
            return state, (*kill, ask)


def _on_restart(state: State, mode: str, reason: str, now: float, policy: Policy) -> Decision:
    match state.phase:
        case Phase.STARTING | Phase.SERVING:
            # Where a successor is on its way, the child knows what that makes needless.
            if policy.no_respawn and mode == contract.RESPAWN:
                mode = contract.IN_PROCESS
            return state, (Tell(f"{contract.RESTART} {mode} {reason}"),)
        case Phase.BACKING_OFF:
            return _spawn(state, "respawn", reason, now)
        case _:
            # While the child hands over, whoever follows reads the configuration as it is then.
            return state, (Report("info", f"Restart ({reason}) left out: the gateway is {name(state)}."),)


def _on_time(state: State, event: DeadlinePassed | CandidateLate | SpareDue | Ticked, now: float) -> Decision:
    match event:
        case DeadlinePassed():
            return _on_deadline(state, now)
        case CandidateLate():
            late = f"it did not stand by within {START_SECONDS} s"
            return state._replace(candidate_deadline=None, candidate_failure=late), (_kill_candidate(),)
        case SpareDue():
            return _on_spare_due(state._replace(spare_at=None), now)
        case Ticked():
            return _on_tick(state, now)


def _on_deadline(state: State, now: float) -> Decision:
    match state.phase:
        case Phase.BACKING_OFF:
            return _spawn(state, "crash", state.reason, now)
        case Phase.STARTING:
            report = Report("error", f"The gateway was not ready after {START_SECONDS} s; it is killed.")
        case Phase.STOPPING | Phase.RESPAWNING:
            report = Report("warn", f"The gateway had not ended after {STOP_SECONDS} s; it is killed.")
        case Phase.SERVING:
            report = Report("error", f"The gateway did not take SIGABRT within {ABORT_SECONDS} s; it is killed.")
        case Phase.ENDED:
            return state._replace(deadline=None), ()
    return state._replace(deadline=None), (report, Kill(signal.SIGKILL))


def _on_spare_due(state: State, now: float) -> Decision:
    if state.phase is not Phase.SERVING or state.candidate is not None or not state.keeps_spare:
        return state, ()
    state = state._replace(candidate=Candidate.SPARE, candidate_deadline=now + START_SECONDS, candidate_failure="")
    return state, (SpawnCandidate(is_spare=True),)


def _on_tick(state: State, now: float) -> Decision:
    if not state.is_watched or state.deadline is not None:
        return state, ()
    state = state._replace(silent=state.silent + 1)
    if state.silent < state.patience:
        return state, ()
    failure = f"its event loop did not turn for {state.silent} s"
    report = Report("error", f"The gateway hangs: {failure}. It is ended; its log tells what it was doing.")
    return state._replace(failure=failure, deadline=now + ABORT_SECONDS), (report, Kill(signal.SIGABRT))


# ---------------------------------------------------------------- transitions


def _refused(state: State, now: float, policy: Policy) -> Decision:
    """The child's configuration is not valid. One that was is better than none."""
    why = state.failure.rstrip(".") or "the configuration is refused"
    if not state.ever_ready or state.use_accepted or policy.no_respawn:
        return _end(state, policy.config_exit, Report("error", f"The gateway is not started again: {why}"))
    report = Report("error", f"{why}. It is started with the configuration that was last accepted.")
    state, actions = _spawn(state._replace(problem=why), "crash", state.reason or why, now, use_accepted=True)
    return state, (report, *actions)


def _crash(state: State, reason: str, code: int, now: float, policy: Policy) -> Decision:
    reason = reason.rstrip(".")
    steady = state.ready_at is not None and now - state.ready_at >= STEADY_SECONDS
    state = state._replace(
        crashes=1 if steady else state.crashes + 1,
        strikes=state.strikes + (code != contract.EXIT_IO),
        ready_at=None,
        reason=reason,
        problem=f"it crashed: {reason}",
    )
    if policy.no_respawn:
        report = Report("error", f"The gateway crashed: {reason}. XOPC_NO_RESPAWN forbids a new process.")
        return _end(state, 128 - code if code < 0 else code or contract.EXIT_FAILURE, report)
    if state.strikes >= GIVE_UP_AFTER and not state.ever_ready:
        count = f"The gateway crashed {state.strikes} times and never became ready"
        return _end(state, contract.EXIT_GAVE_UP, Report("fatal", f"{count}, so it is given up: {reason}"))
    if state.candidate is not None:
        follower = "Its successor" if state.has_successor else "The spare process"
        state, actions = _promote(state, "crash", reason, now)
        return state, (Report("error", f"The gateway crashed: {reason}. {follower} takes over."), *actions)
    pause = BACK_OFF_SECONDS[min(state.crashes, len(BACK_OFF_SECONDS)) - 1]
    when = f"in {pause} s" if pause else "at once"
    count = f"crash {state.crashes} in a row"
    report = Report("error", f"The gateway crashed: {reason}. It is started again {when} ({count}).")
    if pause:
        return state._replace(phase=Phase.BACKING_OFF, deadline=now + pause, failure=""), (report,)
    state, actions = _spawn(state, "crash", reason, now)
    return state, (report, *actions)


def _drop_candidate(state: State, why: str, now: float) -> Decision:
    """The candidate is gone. Where the child serves, it goes on."""
    dropped = state._replace(candidate=None, candidate_deadline=None, candidate_failure="")
    if state.candidate is None or state.phase is Phase.STOPPING:
        return dropped, ()
    if state.phase is not Phase.SERVING:
        report = Report("error", f"The new process ended before it could take over: {why}. Another one follows.")
        return dropped, (report,)
    if state.candidate is Candidate.SPARE:
        report = Report("warn", f"The spare process ended: {why}. Another one follows in {SPARE_AGAIN_SECONDS} s.")
        return _plan_spare(dropped, now, SPARE_AGAIN_SECONDS), (report,)
    return _decline(_plan_spare(dropped._replace(reason=""), now), why)


def _plan_spare(state: State, now: float, seconds: float = SPARE_SECONDS) -> State:
    """Let a spare follow, where one is wanted, and none there or on its way."""
    if not state.keeps_spare:
        return state._replace(spare_at=None)
    if state.candidate is not None or state.spare_at is not None:
        return state
    return state._replace(spare_at=now + seconds)


def _decline(state: State, why: str) -> Decision:
    why = why.rstrip(".")
    problem = f"the new process could not take over ({why}); the one before goes on"
    declined = Tell(f"{contract.DECLINED} {why}")
    return state._replace(problem=problem), (Report("error", f"Restart: {problem}."), declined)


def _follow(state: State, kind: str, reason: str, now: float) -> Decision:
    """The child left as it should: the candidate follows it, or a new process."""
    return (_promote if state.candidate else _spawn)(state, kind, reason, now)


def _promote(state: State, kind: str, reason: str, now: float) -> Decision:
    return _fresh(state, now, reason), (Promote(kind, reason),)


def _spawn(state: State, kind: str, reason: str, now: float, *, use_accepted: bool = False) -> Decision:
    return _fresh(state, now, reason)._replace(use_accepted=use_accepted), (Spawn(kind, reason, use_accepted),)


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


def _end(state: State, exit_code: int, *actions: Action) -> Decision:
    kill = (_kill_candidate(),) if state.candidate else ()
    return state._replace(phase=Phase.ENDED, deadline=None, candidate_deadline=None, exit_code=exit_code), (
        *actions,
        *kill,
    )


def _kill_candidate() -> Kill:
    return Kill(signal.SIGKILL, Who.CANDIDATE)


def _seconds(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0


def describe_exit(code: int) -> str:
    """`exit code 1`, or `killed by SIGSEGV`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
