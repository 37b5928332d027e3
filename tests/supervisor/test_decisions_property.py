"""Whatever happens in whatever order: a small world in which only living processes act, and time passes for all."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from typing import TypeAlias

from attrs import define
from hypothesis import event, given, settings, strategies as st

from xopc_supervisor import contract, states
from xopc_supervisor.decisions import begin, decide
from xopc_supervisor.states import Candidate, Event, Phase, Policy, State, Who, name
from xopc_supervisor.succession import SPARE_AGAIN_SECONDS, START_SECONDS, STOP_SECONDS, drop_spare

TICK_SECONDS = 1.0
DEATH_SECONDS = 0.5
"""From SIGKILL to the exit that is seen."""
NAMES = {
    "starting",
    "serving",
    "handing-over",
    "respawning",
    "stopping",
    "backing-off",
    "crash-looping",
    "degraded",
    "ended",
}


@define(eq=False)
class Process:
    """One process: whether it was let go, and when it is dead."""

    has_go: bool = False
    is_spare: bool = False
    dies_at: float = math.inf
    spoke: bool = False


class World:
    """The supervisor's loop and its processes, without either. Checks at each step what must never be otherwise."""

    def __init__(self, policy: Policy, *, refuses: list[bool], is_kind: bool = False) -> None:
        """`refuses` tells of each spawn whether the system refuses it; a kind world's processes do what they should."""
        self.policy = policy
        self.is_kind = is_kind
        self.now = 1000.0
        self.processes: dict[Who, Process] = {}
        self.spawned = 0
        self.names: set[str] = set()
        """Of the states that it has been in."""
        self._refuses = refuses
        self._next_tick = 0.0
        self.state = State(Phase.STARTING)
        self._follow(begin(self.now))
        self.check()

    def handle(self, happened: Event) -> None:
        if self.state.phase is not Phase.ENDED:
            self._follow(decide(self.state, happened, self.now, self.policy))
            self.check()

    def exit(self, who: Who, code: int) -> None:
        if self.processes.pop(who, None) is not None:
            self.handle(states.Exited(code, who))

    def say(self, who: Who, word: str, detail: str = "") -> None:
        if who in self.processes:
            self.handle(states.Said(word, detail, who))

    def drop_spare(self) -> None:
        self._follow(drop_spare(self.state, self.now))
        self.check()

    def wait(self, seconds: float) -> None:
        """Let time pass, from alarm to alarm."""
        end = self.now + seconds
        while self.state.phase is not Phase.ENDED:
            due = min([end, *self._alarms()])
            self.now = max(self.now, due)
            if due >= end:
                return
            for who in (Who.CANDIDATE, Who.CHILD):
                if who in self.processes and self.processes[who].dies_at <= self.now:
                    self.exit(who, -signal.SIGKILL)
            if self.state.deadline is not None and self.state.deadline <= self.now:
                self.handle(states.DeadlinePassed())
            if self.state.candidate_deadline is not None and self.state.candidate_deadline <= self.now:
                self.handle(states.CandidateLate())
            if self.state.spare_at is not None and self.state.spare_at <= self.now:
                self.handle(states.SpareDue())
            if self.state.is_watched and self._next_tick <= self.now:
                self._next_tick = self.now + TICK_SECONDS
                self.handle(states.Ticked())
            if self.is_kind:
                self._be_kind()

    def check(self) -> None:
        """What holds in every state."""
        child, candidate = self.processes.get(Who.CHILD), self.processes.get(Who.CANDIDATE)
        self.names.add(name(self.state))
        assert self.names <= NAMES
        assert sum(process.has_go for process in self.processes.values()) <= 1, "two processes serve"
        assert (self.state.candidate is not None) <= (candidate is not None), "it waits for a candidate that is gone"
        assert candidate is None or self.state.candidate or candidate.dies_at < math.inf, "a candidate is forgotten"
        assert (self.state.candidate is Candidate.SPARE) <= (candidate is not None and candidate.is_spare)
        assert not self.state.has_successor or (candidate is not None and not candidate.is_spare)
        if self.state.phase is Phase.ENDED:
            assert candidate is None or candidate.dies_at < math.inf, "a spare is left behind"
            assert child is None, "the supervisor ends before its child"
        elif self.state.phase is Phase.BACKING_OFF:
            assert child is None
            assert self.state.deadline is not None, "it sleeps for ever"
        else:
            assert child is not None, "it waits for a child that is gone"
        if self.policy.no_respawn:
            assert self.spawned <= 1, "a second process is started"

    # --------------------------------------------------------------- actions

    def _follow(self, decision: states.Decision) -> None:
        before, (self.state, actions) = self.state, decision
        if self.state.is_watched and not before.is_watched:
            self._next_tick = self.now + TICK_SECONDS
        for action in actions:
            match action:
                case states.Spawn():
                    self._spawn(Who.CHILD, has_go=True)
                case states.SpawnCandidate(is_spare):
                    self._spawn(Who.CANDIDATE, has_go=False, is_spare=is_spare)
                case states.DropSpare():
                    assert self.processes.pop(Who.CANDIDATE).is_spare, "a successor is dropped"
                case states.Promote():
                    assert Who.CHILD not in self.processes, "the candidate is let go beside the child"
                    self.processes[Who.CHILD] = self.processes.pop(Who.CANDIDATE)
                    self.processes[Who.CHILD].has_go = True
                    self.processes[Who.CHILD].is_spare = False
                    self.processes[Who.CHILD].spoke = False
                case states.Kill(signal.SIGKILL, who):
                    if who in self.processes:
                        self.processes[who].dies_at = min(self.processes[who].dies_at, self.now + DEATH_SECONDS)
                case states.HandOver() | states.Tell() | states.Kill():
                    assert Who.CHILD in self.processes, "nobody is there to be told"
                case states.Announce() | states.Report():
                    pass

    def _spawn(self, who: Who, *, has_go: bool, is_spare: bool = False) -> None:
        assert who not in self.processes, "the one before lives"
        if self._refuses and self._refuses.pop():
            self._follow(decide(self.state, states.NotSpawned("no memory", who), self.now, self.policy))
        else:
            self.spawned += 1
            self.processes[who] = Process(has_go, is_spare)

    def _alarms(self) -> list[float]:
        alarms = [process.dies_at for process in self.processes.values()]
        if self.is_kind:
            alarms.append(math.floor(self.now) + 1.0)
        if self.state.is_watched:
            alarms.append(self._next_tick)
        dues = (self.state.deadline, self.state.candidate_deadline, self.state.spare_at)
        return [*alarms, *(due for due in dues if due is not None)]

    def _be_kind(self) -> None:
        for who, process in list(self.processes.items()):
            if process.dies_at == math.inf and not process.spoke:
                process.spoke = True
                self.say(who, contract.READY if who is Who.CHILD else contract.STANDBY, "30 1")
            elif who is Who.CHILD and self.state.phase is Phase.RESPAWNING:
                self.exit(who, contract.EXIT_RESTART)
            elif who is Who.CHILD:
                self.say(who, contract.ALIVE)


Move: TypeAlias = Callable[[World], None]


def saying(who: Who, word: str, detail: str = "") -> Move:
    return lambda world: world.say(who, word, detail)


def exiting(who: Who, code: int) -> Move:
    return lambda world: world.exit(who, code)


def happening(happened: Event) -> Move:
    return lambda world: world.handle(happened)


def waiting(seconds: float) -> Move:
    return lambda world: world.wait(seconds)


def not_renewing(world: World) -> None:
    """The loop tries to renew itself only where a child serves and no successor is on its way."""
    if world.state.phase is Phase.SERVING and not world.state.has_successor:
        world.drop_spare()
        world.handle(states.NotRenewed("it does not start"))


CODES = [0, 1, contract.EXIT_IO, contract.EXIT_RESTART, contract.EXIT_CONFIG, -signal.SIGKILL, -signal.SIGABRT]
READY = [saying(Who.CHILD, contract.READY, seconds) for seconds in ("0", "3", "30 1", "0 1", "0 1", "30 0", "what?")]
RESPAWN = saying(Who.CHILD, contract.RESTART, "respawn update")
STANDBY = saying(Who.CANDIDATE, contract.STANDBY, "0.1.0 2")
FAILED = [saying(who, contract.FAILED, "$.gateway.port: must be 1 to 65535") for who in Who]
IDLE = [
    saying(who, word, detail)
    for who in Who
    for word, detail in [
        (contract.ALIVE, ""),
        (contract.LISTENING, ""),
        (contract.STANDBY, "0.1.0 2"),
        (contract.RESTART, "in-process SIGUSR1"),
        ("a word from the future", "1 2"),
    ]
]
MOVES = st.one_of(
    st.sampled_from(READY),
    st.sampled_from([RESPAWN, STANDBY]),
    st.sampled_from([*FAILED, *IDLE, saying(Who.CHILD, contract.STOPPING), not_renewing]),
    st.builds(exiting, st.sampled_from(Who), st.sampled_from(CODES)),
    st.builds(waiting, st.sampled_from([0.1, 1.0, 2.5, 6.0, 31.0, 121.0])),
    st.builds(
        happening,
        st.builds(states.RestartAsked, st.sampled_from(["in-process", "respawn", "reload"]), st.just("why")),
    ),
)
STOPS = st.builds(states.StopAsked, st.sampled_from([None, "update"]))
POLICIES = st.builds(Policy, no_respawn=st.sampled_from([False, False, True]), config_exit=st.sampled_from([0, 78]))
REFUSALS = st.lists(st.booleans(), max_size=4)


def world_after(moves: list[Move], policy: Policy, refuses: list[bool], *, is_kind: bool = False) -> World:
    """The world after these moves; checked at each of them."""
    world = World(policy, refuses=list(refuses))
    for move in moves:
        move(world)
    world.is_kind = is_kind
    for reached in world.names:
        event(f"reached {reached}")
    return world


@given(st.lists(st.one_of(MOVES, st.builds(happening, STOPS)), max_size=60), POLICIES, REFUSALS)
@settings(max_examples=300)
def test_whatever_happens_one_child_serves_at_most_and_the_supervisor_never_sleeps_for_ever(
    moves: list[Move], policy: Policy, refuses: list[bool]
) -> None:
    world_after(moves, policy, refuses)


@given(st.lists(MOVES, max_size=40), POLICIES, REFUSALS, STOPS)
@settings(max_examples=200)
def test_from_everywhere_a_stop_ends_in_time_however_deaf_the_processes_are(
    moves: list[Move], policy: Policy, refuses: list[bool], stop: states.StopAsked
) -> None:
    world = world_after(moves, policy, refuses)
    world.handle(stop)
    world.wait(STOP_SECONDS + 2 * DEATH_SECONDS)
    assert world.state.phase is Phase.ENDED
    assert all(process.dies_at < math.inf for process in world.processes.values())


@given(st.lists(MOVES, max_size=40), POLICIES, REFUSALS, STOPS)
@settings(max_examples=100)
def test_from_everywhere_a_second_stop_ends_at_once(
    moves: list[Move], policy: Policy, refuses: list[bool], stop: states.StopAsked
) -> None:
    world = world_after(moves, policy, refuses)
    world.handle(stop)
    world.handle(stop)
    world.wait(2 * DEATH_SECONDS)
    assert world.state.phase is Phase.ENDED


@given(st.lists(MOVES, max_size=40), POLICIES, REFUSALS)
@settings(max_examples=200)
def test_from_everywhere_processes_that_do_as_they_should_lead_to_a_gateway_that_serves(
    moves: list[Move], policy: Policy, refuses: list[bool]
) -> None:
    world = world_after(moves, policy, refuses, is_kind=True)
    stopping, ended = world.state.phase is Phase.STOPPING, world.state.phase is Phase.ENDED
    world.wait(2 * START_SECONDS + 60 + SPARE_AGAIN_SECONDS)
    if world.state.phase is Phase.ENDED:
        gave_up = world.state.exit_code == contract.EXIT_GAVE_UP and not world.state.ever_ready
        assert stopping or ended or policy.no_respawn or gave_up
    else:
        assert world.state.phase is Phase.SERVING
        assert not world.state.has_successor
        wanted = {Who.CHILD} if policy.no_respawn else {Who.CHILD, Who.CANDIDATE}
        assert set(world.processes) == wanted, "the spare that the child wants does not wait, or one that it does not"
