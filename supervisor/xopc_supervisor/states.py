"""The supervisor's state machine: `decide` maps a state and an event to the next state and to what is to be done.

A pure function of its arguments, so that a table of tests covers it. Times are seconds of the monotonic clock.

    STARTING ──ready──▶ SERVING ──restart respawn──▶ RESPAWNING ──exit──▶ STARTING
       ▲  │                │
       │  └──crash──┬──────┘          a stop leads from every phase to STOPPING, and its child's exit to ENDED
       └─deadline─ BACKING_OFF        exit code 78, or too many crashes before the first ready, lead to ENDED
"""

from __future__ import annotations

import signal
from enum import Enum
from typing import NamedTuple, TypeAlias

from xopc_supervisor import contract

START_SECONDS = 120
"""A child that is not ready by then is killed, which counts as a crash."""
STOP_SECONDS = 6
"""From SIGTERM to SIGKILL; the child drains for 5.0 s and leaves by itself at 5.5 s."""
STEADY_SECONDS = 1
"""A child that was ready for so long starts the count of crashes anew. No more, since clients wait in the backlog
meanwhile; and a loop of crashes then turns no faster than under other supervisors, which pause a second each time."""
BACK_OFF_SECONDS = (0, 1, 2, 4, 8, 16, 30)
"""Pause before the respawn after the first, second, … crash in a row; the last repeats for ever."""
GIVE_UP_AFTER = 5
"""Crashes before any child was ever ready. Later the supervisor never gives up."""


class Phase(Enum):
    """What the supervisor is at."""

    STARTING = "starting"
    """A child runs and is not ready."""
    SERVING = "serving"
    """A child is ready, or restarts in its own process."""
    RESPAWNING = "respawning"
    """The child drains, and a new one follows it."""
    STOPPING = "stopping"
    """The child drains, and none follows."""
    BACKING_OFF = "backing-off"
    """No child runs; the next one starts at the deadline."""
    ENDED = "ended"


class State(NamedTuple):
    """All that a decision depends on."""

    phase: Phase
    deadline: float | None = None
    """When the phase has lasted long enough: a `Deadline` is due."""
    crashes: int = 0
    """In a row."""
    ready_at: float | None = None
    """Since when the running child is ready."""
    ever_ready: bool = False
    """Whether any child of this supervisor was."""
    reason: str = ""
    """Of the respawn under way."""
    exit_code: int = contract.EXIT_OK
    """In phase ENDED: the supervisor's own."""


class Policy(NamedTuple):
    """What the environment prescribes."""

    no_respawn: bool = False
    """No second child is ever started."""
    config_exit: int = contract.EXIT_CONFIG
    """The supervisor's code when the configuration is refused: 0 under launchd, which respawns all others."""


# --------------------------------------------------------------------- events


class Said(NamedTuple):
    """The child said a word."""

    word: str
    detail: str = ""


class Exited(NamedTuple):
    """The child is gone."""

    code: int
    """Its exit code, or the negative number of the signal that ended it."""


class NotSpawned(NamedTuple):
    """The system would not start a child."""

    error: str


class StopAsked(NamedTuple):
    """SIGTERM, SIGINT, or SIGHUP from a terminal."""


class RestartAsked(NamedTuple):
    """SIGUSR1 with what its intent says, or SIGHUP."""

    mode: str
    reason: str


class DeadlinePassed(NamedTuple):
    """The clock reached `State.deadline`."""


Event: TypeAlias = Said | Exited | NotSpawned | StopAsked | RestartAsked | DeadlinePassed

# -------------------------------------------------------------------- actions


class Spawn(NamedTuple):
    """Start a child."""

    kind: str
    """`start`, `respawn` or `crash`."""
    reason: str


class Tell(NamedTuple):
    """Say a line to the child."""

    line: str


class Kill(NamedTuple):
    """Send the child a signal."""

    signal: signal.Signals


class Announce(NamedTuple):
    """A child became ready: tell the person, the lock file and the service manager."""


class Report(NamedTuple):
    """Write a line to the log."""

    level: str
    message: str


Action: TypeAlias = Spawn | Tell | Kill | Announce | Report
Decision: TypeAlias = tuple[State, tuple[Action, ...]]


def begin(now: float) -> Decision:
    """The first state."""
    return State(Phase.STARTING, deadline=now + START_SECONDS), (Spawn("start", "start"),)


def decide(state: State, event: Event, now: float, policy: Policy) -> Decision:
    """The state after `event`, and what is to be done, in order. An event that means nothing now changes nothing."""
    match event:
        case Said(word, detail):
            return _on_word(state, word, detail, now)
        case Exited(code):
            return _on_exit(state, code, now, policy)
        case NotSpawned(error):
            return _crash(state, f"no process could be started: {error}", contract.EXIT_FAILURE, now, policy)
        case StopAsked():
            return _on_stop(state, now)
        case RestartAsked(mode, reason):
            return _on_restart(state, mode, reason, now, policy)
        case DeadlinePassed():
            return _on_deadline(state, now)


def _on_word(state: State, word: str, detail: str, now: float) -> Decision:
    serving = state.phase in (Phase.STARTING, Phase.SERVING)
    if word == contract.READY and serving:
        ready = state._replace(phase=Phase.SERVING, deadline=None, ready_at=state.ready_at or now, ever_ready=True)
        return ready, (Announce(),)
    if word == contract.STOPPING and serving:
        # Somebody stopped the child itself, which means the same as stopping the supervisor.
        return state._replace(phase=Phase.STOPPING, deadline=now + STOP_SECONDS), ()
    if word == contract.RESTART and serving:
        mode, _, reason = detail.partition(" ")
        if mode == contract.RESPAWN:
            return state._replace(phase=Phase.RESPAWNING, deadline=now + STOP_SECONDS, reason=reason), ()
    return state, ()


def _on_exit(state: State, code: int, now: float, policy: Policy) -> Decision:
    match state.phase:
        case Phase.STOPPING:
            return _end(state, contract.EXIT_OK)
        case Phase.RESPAWNING:
            return _spawn(state, "respawn", state.reason, now)
        case Phase.BACKING_OFF | Phase.ENDED:
            return state, ()
        case Phase.STARTING | Phase.SERVING:
            if code == contract.EXIT_CONFIG:
                report = Report("error", "The gateway refused its configuration; it is not started again.")
                return _end(state, policy.config_exit, report)
            if code == contract.EXIT_RESTART and state.ready_at is not None and not policy.no_respawn:
                return _spawn(state, "respawn", "the gateway asked for a new process", now)
            return _crash(state, describe_exit(code), code, now, policy)


def _on_stop(state: State, now: float) -> Decision:
    match state.phase:
        case Phase.STOPPING:
            # Whoever asks twice does not want to wait.
            return state._replace(deadline=None), (Kill(signal.SIGKILL),)
        case Phase.BACKING_OFF:
            return _end(state, contract.EXIT_OK)
        case Phase.ENDED:
            return state, ()
        case _:
            return state._replace(phase=Phase.STOPPING, deadline=now + STOP_SECONDS), (Kill(signal.SIGTERM),)


def _on_restart(state: State, mode: str, reason: str, now: float, policy: Policy) -> Decision:
    match state.phase:
        case Phase.STARTING | Phase.SERVING:
            if policy.no_respawn and mode == contract.RESPAWN:
                mode = contract.IN_PROCESS
            return state, (Tell(f"{contract.RESTART} {mode} {reason}"),)
        case Phase.BACKING_OFF:
            return _spawn(state, "respawn", reason, now)
        case _:
            return state, (Report("info", f"Restart ({reason}) left out: the gateway is {state.phase.value}."),)


def _on_deadline(state: State, now: float) -> Decision:
    match state.phase:
        case Phase.BACKING_OFF:
            return _spawn(state, "crash", state.reason, now)
        case Phase.STARTING:
            report = Report("error", f"The gateway was not ready after {START_SECONDS} s; it is killed.")
            return state._replace(deadline=None), (report, Kill(signal.SIGKILL))
        case Phase.STOPPING | Phase.RESPAWNING:
            report = Report("warn", f"The gateway had not ended after {STOP_SECONDS} s; it is killed.")
            return state._replace(deadline=None), (report, Kill(signal.SIGKILL))
        case Phase.SERVING | Phase.ENDED:
            return state._replace(deadline=None), ()


def _crash(state: State, reason: str, code: int, now: float, policy: Policy) -> Decision:
    steady = state.ready_at is not None and now - state.ready_at >= STEADY_SECONDS
    crashes = 1 if steady else state.crashes + 1
    if policy.no_respawn:
        report = Report("error", f"The gateway crashed: {reason}. XOPC_NO_RESPAWN forbids a new process.")
        return _end(state, 128 - code if code < 0 else code or contract.EXIT_FAILURE, report)
    if crashes >= GIVE_UP_AFTER and not state.ever_ready:
        report = Report(
            "fatal", f"The gateway crashed {crashes} times and never became ready, so it is given up: {reason}."
        )
        return _end(state, contract.EXIT_GAVE_UP, report)
    pause = BACK_OFF_SECONDS[min(crashes, len(BACK_OFF_SECONDS)) - 1]
    when = f"in {pause} s" if pause else "at once"
    report = Report("error", f"The gateway crashed: {reason}. It is started again {when} (crash {crashes} in a row).")
    state = state._replace(crashes=crashes, ready_at=None, reason=reason)
    if pause:
        return state._replace(phase=Phase.BACKING_OFF, deadline=now + pause), (report,)
    state, actions = _spawn(state, "crash", reason, now)
    return state, (report, *actions)


def _spawn(state: State, kind: str, reason: str, now: float) -> Decision:
    state = state._replace(phase=Phase.STARTING, deadline=now + START_SECONDS, ready_at=None, reason="")
    return state, (Spawn(kind, reason),)


def _end(state: State, exit_code: int, *actions: Action) -> Decision:
    return state._replace(phase=Phase.ENDED, deadline=None, exit_code=exit_code), actions


def describe_exit(code: int) -> str:
    """`exit code 1`, or `killed by SIGSEGV`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
