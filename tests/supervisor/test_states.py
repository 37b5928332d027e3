"""The state machine, as a table: state, event, next phase, actions."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given, strategies as st

from xopc_supervisor import contract
from xopc_supervisor.states import (
    BACK_OFF_SECONDS,
    GIVE_UP_AFTER,
    START_SECONDS,
    STEADY_SECONDS,
    STOP_SECONDS,
    Action,
    Announce,
    DeadlinePassed,
    Event,
    Exited,
    Kill,
    NotSpawned,
    Phase,
    Policy,
    Report,
    RestartAsked,
    Said,
    Spawn,
    State,
    StopAsked,
    Tell,
    begin,
    decide,
    describe_exit,
)

NOW = 1000.0
STARTING = State(Phase.STARTING, deadline=NOW + 60)
SERVING = State(Phase.SERVING, ready_at=NOW - 1, ever_ready=True)
RESPAWNING = SERVING._replace(phase=Phase.RESPAWNING, deadline=NOW + 3, reason="update")
STOPPING = SERVING._replace(phase=Phase.STOPPING, deadline=NOW + 3)
BACKING_OFF = State(Phase.BACKING_OFF, deadline=NOW + 2, crashes=2, ever_ready=True, reason="exit code 1")
ENDED = State(Phase.ENDED)


@pytest.mark.parametrize(
    ("state", "event", "phase", "actions"),
    [
        # What the child says.
        (STARTING, Said("ready"), Phase.SERVING, (Announce(),)),
        (SERVING, Said("ready"), Phase.SERVING, (Announce(),)),
        (STARTING, Said("standby", "0.1.0 1"), Phase.STARTING, ()),
        (STARTING, Said("listening"), Phase.STARTING, ()),
        (SERVING, Said("alive"), Phase.SERVING, ()),
        (SERVING, Said("a word from the future"), Phase.SERVING, ()),
        (SERVING, Said("restart", "in-process SIGUSR1"), Phase.SERVING, ()),
        (SERVING, Said("restart", "respawn update"), Phase.RESPAWNING, ()),
        (SERVING, Said("stopping"), Phase.STOPPING, ()),
        (STOPPING, Said("ready"), Phase.STOPPING, ()),
        # Signals.
        (STARTING, StopAsked(), Phase.STOPPING, (Kill(signal.SIGTERM),)),
        (SERVING, StopAsked(), Phase.STOPPING, (Kill(signal.SIGTERM),)),
        (RESPAWNING, StopAsked(), Phase.STOPPING, (Kill(signal.SIGTERM),)),
        (STOPPING, StopAsked(), Phase.STOPPING, (Kill(signal.SIGKILL),)),
        (BACKING_OFF, StopAsked(), Phase.ENDED, ()),
        (SERVING, RestartAsked("in-process", "cli"), Phase.SERVING, (Tell("restart in-process cli"),)),
        (STARTING, RestartAsked("reload", "SIGHUP"), Phase.STARTING, (Tell("restart reload SIGHUP"),)),
        (BACKING_OFF, RestartAsked("in-process", "cli"), Phase.STARTING, (Spawn("respawn", "cli"),)),
        # Ends.
        (STOPPING, Exited(0), Phase.ENDED, ()),
        (STOPPING, Exited(-9), Phase.ENDED, ()),
        (RESPAWNING, Exited(75), Phase.STARTING, (Spawn("respawn", "update"),)),
        (RESPAWNING, Exited(-9), Phase.STARTING, (Spawn("respawn", "update"),)),
        (SERVING, Exited(75), Phase.STARTING, (Spawn("respawn", "the gateway asked for a new process"),)),
        # The clock.
        (STOPPING, DeadlinePassed(), Phase.STOPPING, (Kill(signal.SIGKILL),)),
        (RESPAWNING, DeadlinePassed(), Phase.RESPAWNING, (Kill(signal.SIGKILL),)),
        (STARTING, DeadlinePassed(), Phase.STARTING, (Kill(signal.SIGKILL),)),
        (BACKING_OFF, DeadlinePassed(), Phase.STARTING, (Spawn("crash", "exit code 1"),)),
    ],
)
def test_each_event_leads_where_the_table_says(
    state: State, event: Event, phase: Phase, actions: tuple[Action, ...]
) -> None:
    after, done = decide(state, event, NOW, Policy())
    assert after.phase is phase
    assert tuple(action for action in done if not isinstance(action, Report)) == actions


def test_it_begins_with_a_child_that_has_two_minutes() -> None:
    state, actions = begin(NOW)
    assert state == State(Phase.STARTING, deadline=NOW + START_SECONDS)
    assert actions == (Spawn("start", "start"),)


@pytest.mark.parametrize("code", [0, 1, 70, -9, -11])
def test_an_end_that_nobody_asked_for_is_a_crash_even_with_code_0(code: int) -> None:
    state, actions = decide(SERVING, Exited(code), NOW, Policy())
    assert state.phase is Phase.STARTING
    assert state.crashes == 1
    assert actions[-1] == Spawn("crash", describe_exit(code))


def test_crashes_in_a_row_back_off_and_never_give_up_once_it_was_ready() -> None:
    state, now = SERVING, NOW
    pauses: list[float] = []
    for _ in range(20):
        state, actions = decide(state, Exited(1), now, Policy())
        if state.phase is Phase.BACKING_OFF:
            assert state.deadline is not None
            pauses.append(state.deadline - now)
            now = state.deadline
            state, actions = decide(state, DeadlinePassed(), now, Policy())
        else:
            pauses.append(0)
        assert isinstance(actions[-1], Spawn)
    assert pauses == [*BACK_OFF_SECONDS, *[BACK_OFF_SECONDS[-1]] * (20 - len(BACK_OFF_SECONDS))]


def test_a_steady_child_starts_the_count_anew() -> None:
    steady = SERVING._replace(crashes=6, ready_at=NOW - STEADY_SECONDS)
    assert decide(steady, Exited(1), NOW, Policy())[0].crashes == 1
    hasty = steady._replace(ready_at=NOW - STEADY_SECONDS + 0.1)
    assert decide(hasty, Exited(1), NOW, Policy())[0].crashes == 7


def test_it_gives_up_when_no_child_was_ever_ready() -> None:
    state, now = STARTING, NOW
    for _ in range(GIVE_UP_AFTER - 1):
        state, _ = decide(state, Exited(1), now, Policy())
        if state.phase is Phase.BACKING_OFF:
            state, _ = decide(state, DeadlinePassed(), now, Policy())
    state, actions = decide(state, Exited(1), now, Policy())
    assert (state.phase, state.exit_code) == (Phase.ENDED, contract.EXIT_GAVE_UP)
    assert isinstance(actions[-1], Report)
    assert "exit code 1" in actions[-1].message


@pytest.mark.parametrize("state", [STARTING, SERVING])
def test_a_refused_configuration_is_never_started_again(state: State) -> None:
    after, _ = decide(state, Exited(contract.EXIT_CONFIG), NOW, Policy())
    assert (after.phase, after.exit_code) == (Phase.ENDED, contract.EXIT_CONFIG)


def test_under_launchd_a_refused_configuration_ends_with_0() -> None:
    assert decide(SERVING, Exited(contract.EXIT_CONFIG), NOW, Policy(config_exit=0))[0].exit_code == 0


def test_a_child_that_asks_for_its_respawn_before_it_is_ready_counts_as_crashed() -> None:
    assert decide(STARTING, Exited(contract.EXIT_RESTART), NOW, Policy())[0].crashes == 1


@pytest.mark.parametrize(("code", "ends_with"), [(1, 1), (0, 1), (-9, 137), (75, 75)])
def test_without_respawn_a_crash_ends_the_supervisor_with_the_childs_code(code: int, ends_with: int) -> None:
    after, _ = decide(SERVING, Exited(code), NOW, Policy(no_respawn=True))
    assert (after.phase, after.exit_code) == (Phase.ENDED, ends_with)


def test_without_respawn_a_restart_stays_in_the_process() -> None:
    _, actions = decide(SERVING, RestartAsked("respawn", "cli"), NOW, Policy(no_respawn=True))
    assert actions == (Tell("restart in-process cli"),)


def test_a_process_that_could_not_be_started_is_a_crash() -> None:
    state, actions = decide(STARTING, NotSpawned("no memory"), NOW, Policy())
    assert state.crashes == 1
    assert actions[-1] == Spawn("crash", "no process could be started: no memory")


def test_a_stop_leaves_six_seconds() -> None:
    assert decide(SERVING, StopAsked(), NOW, Policy())[0].deadline == NOW + STOP_SECONDS


def test_an_exit_is_described_by_code_or_signal() -> None:
    assert describe_exit(3) == "exit code 3"
    assert describe_exit(-11) == "killed by SIGSEGV"
    assert describe_exit(-99) == "killed by signal 99"


EVENTS = st.one_of(
    st.builds(Said, st.sampled_from(["ready", "alive", "stopping", "restart", "standby"]), st.just("respawn x")),
    st.builds(Exited, st.sampled_from([0, 1, 75, 78, -9])),
    st.just(NotSpawned("no")),
    st.just(StopAsked()),
    st.builds(RestartAsked, st.sampled_from(["in-process", "respawn", "reload"]), st.just("why")),
    st.just(DeadlinePassed()),
)


@given(st.lists(EVENTS, max_size=40), st.booleans())
def test_no_sequence_of_events_runs_two_children_or_strands_the_machine(events: list[Event], no_respawn: bool) -> None:
    policy = Policy(no_respawn=no_respawn)
    state, actions = begin(NOW)
    running = sum(isinstance(action, Spawn) for action in actions)
    for event in events:
        if isinstance(event, (Exited, NotSpawned)):
            if not running:
                continue
            running = 0
        if isinstance(event, DeadlinePassed) and state.deadline is None:
            continue
        state, actions = decide(state, event, NOW, policy)
        running += sum(isinstance(action, Spawn) for action in actions)
        assert running <= 1
        needs_child = state.phase not in (Phase.BACKING_OFF, Phase.ENDED)
        assert needs_child == (running == 1)
        assert needs_child or state.phase is Phase.ENDED or state.deadline is not None
