"""The values of the supervisor's state machine: its states, the events that move it, and what it wants done.

How one leads to the other stands in `decisions`. Times are seconds of the monotonic clock.
"""

from __future__ import annotations

import signal
from enum import Enum
from typing import NamedTuple, TypeAlias

from xopc_supervisor import contract

LOOPING_AFTER = 3
"""Crashes in a row that are called a loop."""


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


class Candidate(Enum):
    """What the process beside the child is, and how far."""

    PREPARING = "preparing"
    """The child's successor, which is not there yet."""
    STANDING_BY = "standing-by"
    """The child's successor."""
    SPARE = "spare"
    """It has imported the code, or is about to, and waits for a crash."""


class State(NamedTuple):
    """All that a decision depends on."""

    phase: Phase
    deadline: float | None = None
    """When the phase has lasted long enough: a `DeadlinePassed` is due."""
    crashes: int = 0
    """In a row."""
    strikes: int = 0
    """Those of them that no patience mends."""
    ready_at: float | None = None
    """Since when the running child is ready."""
    ever_ready: bool = False
    """Whether any child of this supervisor was."""
    reason: str = ""
    """Of the respawn under way, or of the crash."""
    candidate: Candidate | None = None
    candidate_deadline: float | None = None
    """When a `CandidateLate` is due."""
    keeps_spare: bool = False
    """The child's configuration wants a spare beside it."""
    spare_at: float | None = None
    """When a `SpareDue` is due."""
    use_accepted: bool = False
    """The child serves with the last accepted configuration."""
    patience: float = 0
    """Seconds of silence before the child counts as hung; 0 is for ever."""
    silent: int = 0
    """Ticks since the child's last word."""
    failure: str = ""
    """Why the child is about to exit, in its own words."""
    candidate_failure: str = ""
    problem: str = ""
    """What a person should know, until all is well again."""
    stop_asked: bool = False
    """Somebody told this process to stop, and not only the child."""
    exit_code: int = contract.EXIT_OK
    """The supervisor's own, once in phase ENDED."""

    @property
    def needs_child(self) -> bool:
        """Whether there is a child in this phase."""
        return self.phase not in (Phase.BACKING_OFF, Phase.ENDED)

    @property
    def is_watched(self) -> bool:
        """Whether a `Ticked` is due each second."""
        return self.phase is Phase.SERVING and self.patience > 0

    @property
    def has_successor(self) -> bool:
        """Whether a process is on its way that shall follow the child; a spare only may."""
        return self.candidate in (Candidate.PREPARING, Candidate.STANDING_BY)


def name(state: State) -> str:
    """What the supervisor is at, for a person: a phase, or more exactly `handing-over`, `crash-looping`, `degraded`."""
    match state.phase:
        case Phase.SERVING if state.has_successor:
            return "handing-over"
        case Phase.SERVING if state.use_accepted:
            return "degraded"
        case Phase.STARTING | Phase.BACKING_OFF if state.crashes > 0 and state.strikes == 0:
            return "degraded"
        case Phase.STARTING | Phase.BACKING_OFF if state.crashes >= LOOPING_AFTER:
            return "crash-looping"
        case phase:
            return phase.value


class Policy(NamedTuple):
    """What the environment prescribes."""

    no_respawn: bool = False
    """No second child is ever started."""
    config_exit: int = contract.EXIT_CONFIG
    """The supervisor's code when the configuration is refused: 0 under launchd, which respawns all others."""
    restart_exit: int = contract.EXIT_OK
    """The supervisor's code when its manager restarts it: not 0 under launchd, which does not respawn that."""


# --------------------------------------------------------------------- events


class Who(Enum):
    """Which of the two processes an event comes from."""

    CHILD = "child"
    CANDIDATE = "candidate"


class Said(NamedTuple):
    """A process said a word."""

    word: str
    detail: str = ""
    who: Who = Who.CHILD


class Exited(NamedTuple):
    """A process is gone."""

    code: int
    """Its exit code, or the negative number of the signal that ended it."""
    who: Who = Who.CHILD


class NotSpawned(NamedTuple):
    """The system would not start a process."""

    error: str
    who: Who = Who.CHILD


class StopAsked(NamedTuple):
    """SIGTERM, SIGINT, or SIGHUP from a terminal."""

    restart: str | None = None
    """Why the service manager starts the gateway again afterwards, if somebody said that it will."""


class RestartAsked(NamedTuple):
    """SIGUSR1 with what its intent says, or SIGHUP."""

    mode: str
    reason: str


class NotRenewed(NamedTuple):
    """The supervisor that is installed now cannot go on where this one is."""

    why: str


class DeadlinePassed(NamedTuple):
    """The clock reached `State.deadline`."""


class CandidateLate(NamedTuple):
    """The clock reached `State.candidate_deadline`."""


class SpareDue(NamedTuple):
    """The clock reached `State.spare_at`."""


class Ticked(NamedTuple):
    """A second passed in which this process ran; one in which it was suspended does not count."""


Event: TypeAlias = (
    Said
    | Exited
    | NotSpawned
    | NotRenewed
    | StopAsked
    | RestartAsked
    | DeadlinePassed
    | CandidateLate
    | SpareDue
    | Ticked
)

# -------------------------------------------------------------------- actions


class Spawn(NamedTuple):
    """Start a child, and let it go."""

    kind: str
    """`start`, `respawn` or `crash`."""
    reason: str
    use_accepted: bool = False
    """Serve with the last accepted configuration."""


class SpawnCandidate(NamedTuple):
    """Start a process beside the child: its successor, or a spare."""

    is_spare: bool = False


class DropSpare(NamedTuple):
    """Kill the spare, and forget it: neither its words nor its exit are events any more."""


class HandOver(NamedTuple):
    """Tell the child that its successor stands by."""

    reason: str


class Promote(NamedTuple):
    """The child is gone: the candidate is the child, and is let go. A spare of another version than the installed one
    is dropped instead, and a process started as for `Spawn`."""

    kind: str
    reason: str


class Tell(NamedTuple):
    """Say a line to the child."""

    line: str


class Kill(NamedTuple):
    """Send a process a signal."""

    signal: signal.Signals
    who: Who = Who.CHILD


class Announce(NamedTuple):
    """A child became ready: tell the person, the lock file and the service manager."""


class Report(NamedTuple):
    """Write a line to the log."""

    level: str
    message: str


Action: TypeAlias = Spawn | SpawnCandidate | DropSpare | HandOver | Promote | Tell | Kill | Announce | Report
Decision: TypeAlias = tuple[State, tuple[Action, ...]]
