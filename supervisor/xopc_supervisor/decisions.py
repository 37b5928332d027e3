"""The supervisor's decisions: `decide` maps a state and an event to the next state and to what is to be done.

A pure function of its arguments, so that tables and properties cover it.

    STARTING ──ready──▶ SERVING ──the candidate stands by──▶ RESPAWNING ──exit──▶ STARTING
       ▲  │                │
       │  └──crash──┬──────┘          a stop leads from every phase to STOPPING, and its child's exit to ENDED
       └─deadline─ BACKING_OFF        exit code 78, or too many crashes before the first ready, lead to ENDED

A respawn starts a candidate beside the child that serves: `succession` tells what becomes of it.
"""

from __future__ import annotations

import signal

from xopc_supervisor import contract, succession
from xopc_supervisor.states import (
    Action,
    Announce,
    CandidateLate,
    DeadlinePassed,
    Decision,
    Event,
    Exited,
    Kill,
    NotRenewed,
    NotSpawned,
    Phase,
    Policy,
    Report,
    RestartAsked,
    Said,
    SpareDue,
    Spawn,
    State,
    StopAsked,
    Tell,
    Ticked,
    Who,
    name,
)
from xopc_supervisor.succession import START_SECONDS, STOP_SECONDS

ABORT_SECONDS = 2
"""From SIGABRT, which a stopped or blocked process may not take, to SIGKILL."""
STEADY_SECONDS = 1
"""A child that was ready for so long starts the count of crashes anew. No more, since clients wait in the backlog
meanwhile; and a loop of crashes then turns no faster than under other supervisors, which pause a second each time."""
BACK_OFF_SECONDS = (0, 1, 2, 4, 8, 16, 30)
"""Pause before the respawn after the first, second, … crash in a row; the last repeats for ever."""
GIVE_UP_AFTER = 5
"""Crashes before any child was ever ready. Later the supervisor never gives up."""


def begin(now: float) -> Decision:
    """The first state."""
    return State(Phase.STARTING, deadline=now + START_SECONDS), (Spawn("start", "start"),)


def decide(state: State, event: Event, now: float, policy: Policy) -> Decision:
    """The state after `event`, and what is to be done, in order. An event that means nothing now changes nothing."""
    match event:
        case Said(word, detail, who):
            if who is Who.CANDIDATE:
                return succession.on_word(state, word, detail, now)
            return _on_word(state._replace(silent=0), word, detail, now, policy)
        case Exited(code, who):
            if who is Who.CANDIDATE:
                return succession.drop(state, state.candidate_failure or describe_exit(code), now)
            return _on_exit(state, code, now, policy)
        case NotSpawned(error, who):
            why = f"no process could be started: {error}"
            if who is Who.CANDIDATE:
                return succession.drop(state, why, now)
            return _crash(state, why, contract.EXIT_FAILURE, now, policy)
        case NotRenewed(why):
            return succession.decline(state, why)
        case StopAsked(restart):
            return _on_stop(state, restart, now, policy)
        case RestartAsked(mode, reason):
            return _on_restart(state, mode, reason, now, policy)
        case DeadlinePassed() | CandidateLate() | SpareDue() | Ticked():
            return _on_time(state, event, now)


def _on_word(state: State, word: str, detail: str, now: float, policy: Policy) -> Decision:
    if word == contract.FAILED:
        return state._replace(failure=detail), ()
    serving = state.phase in (Phase.STARTING, Phase.SERVING)
    if word == contract.READY and serving:
        return _on_ready(state, detail, now, policy)
    if word == contract.STOPPING and serving:
        # Somebody stopped the child itself, which means the same as stopping the supervisor.
        kill = (succession.kill_candidate(),) if state.candidate else ()
        return state._replace(phase=Phase.STOPPING, deadline=now + STOP_SECONDS), kill
    mode, _, reason = detail.partition(" ")
    if word == contract.RESTART and mode == contract.RESPAWN and state.phase is Phase.SERVING:
        if policy.no_respawn:
            return state, (Tell(f"{contract.DECLINED} XOPC_NO_RESPAWN forbids a new process"),)
        if not state.has_successor:
            return succession.prepare(state, reason, now)
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
    state, drop = (state, ()) if state.keeps_spare else succession.drop_spare(state, now)
    return succession.plan_spare(state, now), (*drop, Announce())


def _on_exit(state: State, code: int, now: float, policy: Policy) -> Decision:
    match state.phase:
        case Phase.STOPPING:
            return _end(state, state.exit_code)
        case Phase.RESPAWNING:
            return succession.follow(state, "respawn", state.reason, now)
        case Phase.BACKING_OFF | Phase.ENDED:
            return state, ()
        case Phase.STARTING | Phase.SERVING:
            if code == contract.EXIT_CONFIG and state.phase is Phase.STARTING:
                return _refused(state, now, policy)
            if code == contract.EXIT_RESTART and state.ready_at is not None and not policy.no_respawn:
                reason = state.reason if state.has_successor else "the gateway asked for a new process"
                return succession.follow(state, "respawn", reason, now)
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
            kill = (succession.kill_candidate(),) if state.candidate else ()
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
            return succession.spawn(state, "respawn", reason, now)
        case _:
            # While the child hands over, whoever follows reads the configuration as it is then.
            return state, (Report("info", f"Restart ({reason}) left out: the gateway is {name(state)}."),)


def _on_time(state: State, event: DeadlinePassed | CandidateLate | SpareDue | Ticked, now: float) -> Decision:
    match event:
        case DeadlinePassed():
            return _on_deadline(state, now)
        case CandidateLate():
            return succession.on_late(state)
        case SpareDue():
            return succession.on_spare_due(state._replace(spare_at=None), now)
        case Ticked():
            return _on_tick(state, now)


def _on_deadline(state: State, now: float) -> Decision:
    match state.phase:
        case Phase.BACKING_OFF:
            return succession.spawn(state, "crash", state.reason, now)
        case Phase.STARTING:
            report = Report("error", f"The gateway was not ready after {START_SECONDS} s; it is killed.")
        case Phase.STOPPING | Phase.RESPAWNING:
            report = Report("warn", f"The gateway had not ended after {STOP_SECONDS} s; it is killed.")
        case Phase.SERVING:
            report = Report("error", f"The gateway did not take SIGABRT within {ABORT_SECONDS} s; it is killed.")
        case Phase.ENDED:
            return state._replace(deadline=None), ()
    return state._replace(deadline=None), (report, Kill(signal.SIGKILL))


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
    state, actions = succession.spawn(state._replace(problem=why), "crash", state.reason or why, now, use_accepted=True)
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
        state, actions = succession.promote(state, "crash", reason, now)
        return state, (Report("error", f"The gateway crashed: {reason}. {follower} takes over."), *actions)
    pause = BACK_OFF_SECONDS[min(state.crashes, len(BACK_OFF_SECONDS)) - 1]
    when = f"in {pause} s" if pause else "at once"
    count = f"crash {state.crashes} in a row"
    report = Report("error", f"The gateway crashed: {reason}. It is started again {when} ({count}).")
    if pause:
        return state._replace(phase=Phase.BACKING_OFF, deadline=now + pause, failure=""), (report,)
    state, actions = succession.spawn(state, "crash", reason, now)
    return state, (report, *actions)


def _end(state: State, exit_code: int, *actions: Action) -> Decision:
    kill = (succession.kill_candidate(),) if state.candidate else ()
    return state._replace(phase=Phase.ENDED, deadline=None, candidate_deadline=None, exit_code=exit_code), (
        *actions,
        *kill,
    )


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
