"""The decisions, as a table: state, event, next phase, actions."""

from __future__ import annotations

import signal

import pytest

from xopc_supervisor import contract
from xopc_supervisor.decisions import (
    ABORT_SECONDS,
    BACK_OFF_SECONDS,
    GIVE_UP_AFTER,
    STEADY_SECONDS,
    begin,
    decide,
    describe_exit,
)
from xopc_supervisor.states import (
    Action,
    Announce,
    Candidate,
    CandidateLate,
    DeadlinePassed,
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
from xopc_supervisor.succession import START_SECONDS, STOP_SECONDS

NOW = 1000.0
STARTING = State(Phase.STARTING, deadline=NOW + 60)
SERVING = State(Phase.SERVING, ready_at=NOW - 1, ever_ready=True)
RESPAWNING = SERVING._replace(phase=Phase.RESPAWNING, deadline=NOW + 3, reason="update")
STOPPING = SERVING._replace(phase=Phase.STOPPING, deadline=NOW + 3)
PREPARING = SERVING._replace(candidate=Candidate.PREPARING, candidate_deadline=NOW + 60, reason="update")
STANDING_BY = RESPAWNING._replace(candidate=Candidate.STANDING_BY)
BACKING_OFF = State(Phase.BACKING_OFF, deadline=NOW + 2, crashes=2, ever_ready=True, reason="exit code 1")
ENDED = State(Phase.ENDED)
WATCHED = SERVING._replace(patience=30)
SPARING = SERVING._replace(keeps_spare=True, spare_at=NOW)
SPARE = SPARING._replace(candidate=Candidate.SPARE, spare_at=None, ready_at=NOW - 60)
KILL_CANDIDATE = Kill(signal.SIGKILL, Who.CANDIDATE)


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
        (SERVING, Said("restart", "respawn update"), Phase.SERVING, (SpawnCandidate(),)),
        (PREPARING, Said("restart", "respawn again"), Phase.SERVING, ()),
        (SERVING, Said("stopping"), Phase.STOPPING, ()),
        (STOPPING, Said("ready"), Phase.STOPPING, ()),
        # Signals.
        (STARTING, StopAsked(), Phase.STOPPING, (Kill(signal.SIGTERM),)),
        (SERVING, StopAsked(), Phase.STOPPING, (Kill(signal.SIGTERM),)),
        (RESPAWNING, StopAsked(), Phase.STOPPING, (Kill(signal.SIGTERM),)),
        (STOPPING, StopAsked(), Phase.STOPPING, ()),
        (STOPPING._replace(stop_asked=True), StopAsked(), Phase.STOPPING, (Kill(signal.SIGKILL),)),
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
        # The candidate beside the child.
        (PREPARING, Said("listening", "", Who.CANDIDATE), Phase.SERVING, ()),
        (PREPARING, Said("standby", "0.2.0 2", Who.CANDIDATE), Phase.RESPAWNING, (HandOver("update"),)),
        (PREPARING, Exited(78, Who.CANDIDATE), Phase.SERVING, (Tell("declined exit code 78"),)),
        (PREPARING, CandidateLate(), Phase.SERVING, (KILL_CANDIDATE,)),
        (PREPARING, Exited(75), Phase.STARTING, (Promote("respawn", "update"),)),
        (PREPARING, Exited(-9), Phase.STARTING, (Promote("crash", "killed by SIGKILL"),)),
        (PREPARING, StopAsked(), Phase.STOPPING, (KILL_CANDIDATE, Kill(signal.SIGTERM))),
        (PREPARING, Said("stopping"), Phase.STOPPING, (KILL_CANDIDATE,)),
        (PREPARING, RestartAsked("reload", "again"), Phase.SERVING, (Tell("restart reload again"),)),
        (STANDING_BY, RestartAsked("reload", "again"), Phase.RESPAWNING, ()),
        (STANDING_BY, Exited(75), Phase.STARTING, (Promote("respawn", "update"),)),
        (STANDING_BY, Exited(-9), Phase.STARTING, (Promote("respawn", "update"),)),
        (STANDING_BY, Exited(-9, Who.CANDIDATE), Phase.RESPAWNING, ()),
        (STANDING_BY, StopAsked(), Phase.STOPPING, (KILL_CANDIDATE, Kill(signal.SIGTERM))),
        (STOPPING._replace(candidate=Candidate.PREPARING), Exited(0), Phase.ENDED, (KILL_CANDIDATE,)),
        (SERVING, NotRenewed("no"), Phase.SERVING, (Tell("declined no"),)),
        # The spare.
        (SPARING, SpareDue(), Phase.SERVING, (SpawnCandidate(is_spare=True),)),
        (SERVING, SpareDue(), Phase.SERVING, ()),
        (SPARE, SpareDue(), Phase.SERVING, ()),
        (PREPARING._replace(keeps_spare=True), SpareDue(), Phase.SERVING, ()),
        (RESPAWNING._replace(keeps_spare=True), SpareDue(), Phase.RESPAWNING, ()),
        (STOPPING._replace(keeps_spare=True), SpareDue(), Phase.STOPPING, ()),
        (SPARE, Said("standby", "0.1.0 1", Who.CANDIDATE), Phase.SERVING, ()),
        (SPARE, Said("listening", "", Who.CANDIDATE), Phase.SERVING, ()),
        (SPARE, Said("ready", "30 1"), Phase.SERVING, (Announce(),)),
        (SPARE, Said("ready", "30 0"), Phase.SERVING, (DropSpare(), Announce())),
        (SPARE, Said("restart", "in-process SIGUSR1"), Phase.SERVING, ()),
        (SPARE, Said("restart", "respawn update"), Phase.SERVING, (DropSpare(), SpawnCandidate())),
        (SPARE, RestartAsked("in-process", "cli"), Phase.SERVING, (Tell("restart in-process cli"),)),
        (SPARE, RestartAsked("respawn", "cli"), Phase.SERVING, (Tell("restart respawn cli"),)),
        (SPARE, Exited(-9), Phase.STARTING, (Promote("crash", "killed by SIGKILL"),)),
        (SPARE, Exited(74), Phase.STARTING, (Promote("crash", "exit code 74"),)),
        (SPARE, Exited(75), Phase.STARTING, (Promote("respawn", "the gateway asked for a new process"),)),
        (SPARE, Exited(-9, Who.CANDIDATE), Phase.SERVING, ()),
        (SPARE, NotSpawned("no memory", Who.CANDIDATE), Phase.SERVING, ()),
        (SPARE, CandidateLate(), Phase.SERVING, (KILL_CANDIDATE,)),
        (SPARE, StopAsked(), Phase.STOPPING, (KILL_CANDIDATE, Kill(signal.SIGTERM))),
        (SPARE, Said("stopping"), Phase.STOPPING, (KILL_CANDIDATE,)),
        (SPARE._replace(phase=Phase.STOPPING), Exited(0), Phase.ENDED, (KILL_CANDIDATE,)),
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


def test_a_configuration_that_is_refused_at_the_first_start_is_never_started_again() -> None:
    after, _ = decide(STARTING, Exited(contract.EXIT_CONFIG), NOW, Policy())
    assert (after.phase, after.exit_code) == (Phase.ENDED, contract.EXIT_CONFIG)


def test_under_launchd_a_refused_configuration_ends_with_0() -> None:
    assert decide(STARTING, Exited(contract.EXIT_CONFIG), NOW, Policy(config_exit=0))[0].exit_code == 0


def test_a_stop_that_reaches_both_processes_is_one_stop_in_whatever_order() -> None:
    told, _ = decide(SERVING, Said("stopping"), NOW, Policy())
    asked, actions = decide(told, StopAsked(), NOW, Policy())
    assert actions == ()
    _, actions = decide(asked, StopAsked(), NOW, Policy())
    assert actions == (Kill(signal.SIGKILL),)
    asked, _ = decide(SERVING, StopAsked(), NOW, Policy())
    told, actions = decide(asked, Said("stopping"), NOW, Policy())
    assert (told.phase, actions) == (Phase.STOPPING, ())


def test_the_reason_of_a_crash_is_kept_when_the_next_process_refuses_the_configuration() -> None:
    crashed, _ = decide(SERVING, Exited(-9), NOW, Policy())
    _, actions = decide(crashed, Exited(contract.EXIT_CONFIG), NOW, Policy())
    assert actions[-1] == Spawn("crash", "killed by SIGKILL", use_accepted=True)


def test_a_sentence_that_is_a_reason_ends_once() -> None:
    told, _ = decide(SERVING, Said("failed", "Name another with XOPC_STATE_DIR."), NOW, Policy())
    _, actions = decide(told, Exited(1), NOW, Policy())
    assert actions[0] == Report(
        "error",
        "The gateway crashed: Name another with XOPC_STATE_DIR. It is started again at once (crash 1 in a row).",
    )


def test_a_configuration_that_is_refused_later_gives_way_to_the_last_accepted_one() -> None:
    again = STARTING._replace(ever_ready=True, failure="$.gateway.port: must be a whole number")
    after, actions = decide(again, Exited(contract.EXIT_CONFIG), NOW, Policy())
    assert actions[-1] == Spawn("crash", "$.gateway.port: must be a whole number", use_accepted=True)
    ready, _ = decide(after, Said("ready", "30 0 accepted"), NOW, Policy())
    assert name(ready) == "degraded"
    assert ready.problem == "$.gateway.port: must be a whole number"
    mended, _ = decide(after, Said("ready", "30 0"), NOW, Policy())
    assert (name(mended), mended.problem) == ("serving", "")


def test_a_restart_in_the_process_ends_the_reign_of_the_last_accepted_configuration() -> None:
    accepted = SERVING._replace(use_accepted=True, problem="$.gateway.port: must be a whole number")
    after, _ = decide(accepted, Said("ready", "30"), NOW, Policy())
    assert (name(after), after.problem) == ("serving", "")


def test_where_the_last_accepted_configuration_is_refused_too_it_ends() -> None:
    again = STARTING._replace(ever_ready=True, use_accepted=True)
    assert decide(again, Exited(contract.EXIT_CONFIG), NOW, Policy())[0].phase is Phase.ENDED


def test_what_a_dying_child_said_is_the_reason_of_its_crash() -> None:
    told, _ = decide(SERVING, Said("failed", "the disk is on fire"), NOW, Policy())
    after, actions = decide(told, Exited(1), NOW, Policy())
    assert actions[-1] == Spawn("crash", "the disk is on fire")
    assert after.problem == "it crashed: the disk is on fire"


def test_a_child_that_a_disk_keeps_from_starting_is_never_given_up() -> None:
    state, now = STARTING, NOW
    for _ in range(20):
        state, _ = decide(state, Exited(contract.EXIT_IO), now, Policy())
        assert name(state) == "degraded"
        if state.deadline is not None and state.phase is Phase.BACKING_OFF:
            now = state.deadline
            state, _ = decide(state, DeadlinePassed(), now, Policy())
    assert state.phase is Phase.STARTING


def test_without_respawn_the_wish_for_a_successor_is_declined() -> None:
    _, actions = decide(SERVING, Said("restart", "respawn x"), NOW, Policy(no_respawn=True))
    assert actions == (Tell("declined XOPC_NO_RESPAWN forbids a new process"),)


def test_a_silent_child_is_aborted_and_then_killed() -> None:
    state = WATCHED
    for _ in range(29):
        state, actions = decide(state, Ticked(), NOW, Policy())
        assert not actions
    state, actions = decide(state, Ticked(), NOW, Policy())
    assert actions[-1] == Kill(signal.SIGABRT)
    assert state.deadline == NOW + ABORT_SECONDS
    assert decide(state, Ticked(), NOW, Policy()) == (state, ())
    state, actions = decide(state, DeadlinePassed(), NOW, Policy())
    assert actions[-1] == Kill(signal.SIGKILL)
    state, actions = decide(state, Exited(-9), NOW, Policy())
    assert actions[-1] == Spawn("crash", "its event loop did not turn for 30 s")


def test_every_word_of_the_child_ends_its_silence() -> None:
    assert decide(WATCHED._replace(silent=29), Said("alive"), NOW, Policy())[0].silent == 0


def test_a_child_says_how_long_it_may_be_silent() -> None:
    assert decide(STARTING, Said("ready", "12.5"), NOW, Policy())[0].patience == 12.5
    assert decide(STARTING, Said("ready", "for ever"), NOW, Policy())[0].patience == 0
    assert decide(SERVING, Ticked(), NOW, Policy()) == (SERVING, ())


def test_a_stop_that_the_service_manager_follows_with_a_start_says_so_to_the_child() -> None:
    state, actions = decide(SERVING, StopAsked(restart="an upgrade"), NOW, Policy(restart_exit=75))
    assert actions == (Tell("stop restart an upgrade"),)
    assert decide(state, Exited(0), NOW, Policy(restart_exit=75))[0].exit_code == 75


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
